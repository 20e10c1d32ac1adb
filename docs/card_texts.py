"""What the cards of the packaged models say beside their files' own figures."""

from __future__ import annotations

from dataclasses import dataclass

SETS = (
    "973 photos: 432 of BSDS500 (without the 68 of CBSD68) and 541 of CLIC, CID22, "
    "gb82, DIV2K and desktop wallpapers"
)
PHOTOS = f"{SETS}; 24 of them held out for validation"
NUCLEI = (
    ", as luma; 120 images of fluorescent nuclei (BBBC038) and the 90 clean images "
    "of W2S's training fields"
)
SHRUNK = (
    "; the photos also at 0.8, 0.6 and 0.4 of their size, and 400 drawn images of "
    "waves, checks, shapes and text"
)
GREY = f"{SETS}{NUCLEI}{SHRUNK}; 36 images, 12 of them drawn, held out for validation"
WHITE = f"{SETS}{SHRUNK}; 16 photos and 16 drawn images held out for validation"
VIVID = (
    f"{SETS}, the colours of the 541 made up to 2.2 times as strong{SHRUNK}; 36 "
    "images, 12 of them drawn, held out for validation"
)
COUNTS = (
    "Counts are taken as they are: not stabilised by `auto`, since that gains little."
)


def _pipeline(units: int) -> str:
    return (
        "The whole GradNet pipeline on a pixel-unshuffled grid: a 7-layer DnCNN "
        "(trained jointly) makes the guide, its Sobel gradient is fused after the "
        f"first convolution (GradNet-II), 3 residual modules of {units} units follow; "
        "no BatchNorm."
    )


FAST = _pipeline(2)
_GROWN = (
    "begun from `gradnet-small-color` before its last stage; 11,692 steps in 105 "
    "minutes with 4 units, 12,192 in 105 with stronger colours, each on one core, "
    "16,561 in 114 with 6 units on both, 13,075 in 112 on both with 8 units, more of "
    "strong noise and fewer drawn images, 12,055 in 164 at a lower learning rate, most "
    "on one core, 10,800 in 92 in larger patches with more of sigma 3 to 35 and of "
    "BSDS500, then with still more of both: "
)


@dataclass(frozen=True)
class Card:
    """What no header holds.

    Parameters
    ----------
    use : str
        What the model is for; the first half sentence stands in the README.
    limits : str
        What it is not for.
    about : str
        How it is made.
    fails : str
        What the picture shows.
    recipe : str
        Of ``gradnet train --init``.
    command : str
        That measures it.
    data : str
    noise : str
        Of the picture.
    before : str
        The stages of training before the last, which the header records.
    """

    use: str
    limits: str
    about: str
    fails: str
    recipe: str
    command: str
    data: str = PHOTOS
    noise: str = "gaussian=25"
    before: str = ""


CARDS = {
    "gradnet-color": Card(
        use="Colour photos with white Gaussian noise: as `gradnet-fast-color`, better, "
        "in 8 times its time.",
        limits="Not for real camera noise (take `gradnet-real`), JPEG artefacts, or "
        "grey microscopy.",
        about="The weights of `gradnet-fast-color`; results are the mean over 8 flips "
        "and rotations of the image (`ensemble`), as `--ensemble` makes it for any "
        "model.",
        fails="At sigma 25 faint texture is lost, drawn too coarse or tinted, and in "
        "two corners of the zone plate the finest waves are taken for noise:",
        recipe="gradnet-color",
        command="gradnet benchmark card gradnet-color CBSD68 Kodak24 McMaster "
        "--crop Kodak24=500",
        data=VIVID,
        before=_GROWN,
    ),
    "gradnet-fast-color": Card(
        use="Colour photos with white Gaussian noise, sigma 0 to 75 of 255, not told "
        "(blind).",
        limits="Not for real camera noise (it is spatially correlated: expect little "
        "effect, take `gradnet-real`), JPEG artefacts, or grey microscopy.",
        about=f"{_pipeline(8)} FFDNet, measured on whole images, has 33.90 / 31.23 / "
        "27.95 on CBSD68, 34.77 / 32.26 / 29.11 on Kodak24 and 34.67 / 32.36 / 29.18 "
        "on McMaster; this model has 34.87 / 32.39 / 29.28 on whole Kodak24 (`gradnet "
        "benchmark accuracy Kodak24 --naive none --model gradnet-fast-color`).",
        fails="At sigma 25 faint texture is lost, drawn too coarse or tinted, and in "
        "two corners of the zone plate the finest waves are taken for noise:",
        recipe="gradnet-fast-color",
        command="gradnet benchmark card gradnet-fast-color CBSD68 Kodak24 McMaster "
        "--crop Kodak24=500",
        data=VIVID,
        before=_GROWN,
    ),
    "gradnet-small-color": Card(
        use="Colour photos with white Gaussian noise: as `gradnet-fast-color`, "
        "shallower and faster; for slow computers, and to fine-tune.",
        limits="Not for real camera noise (take `gradnet-real`), JPEG artefacts, or "
        "grey microscopy.",
        about=FAST,
        fails="At sigma 25 faint texture is lost or drawn too coarse, and in two "
        "corners of the zone plate the finest waves are taken for noise:",
        recipe="gradnet-small-color",
        command="gradnet benchmark card gradnet-small-color CBSD68 Kodak24 McMaster "
        "--crop Kodak24=500",
        data=WHITE,
        before="7,911 steps in 85 minutes with loss l1, 2,518 in 32 with shrunk and "
        "drawn images too and more of sigma 3 to 35, then in larger patches, with a "
        "floor of 2 levels in log-l2 (0.25 before): ",
    ),
    "gradnet-real": Card(
        use="Photos of real cameras, 8 or 16 bits a channel, noise not told (blind).",
        limits="Not for microscopy or grey images. On strong white noise "
        "`gradnet-fast-color` is better.",
        about=f"{_pipeline(3)} "
        "Three fifths of the training patches are pairs of PolyU (one frame and the "
        "mean of many, laid on each other, compressed again), the rest photos with "
        "a camera's noise behind demosaicking, white balance, colour matrix, tone "
        "curve, noise reduction and JPEG, and white noise. The test crops' format, "
        "noise and gains were looked at to find what the training lacked, and a "
        "version was given up for a test crop that it harmed: these figures are no "
        "blind test. The weights are the last ones of the run: the held-out scene "
        "says little about others, and no test crop had a say in it.",
        fails="With the noise of a camera of 500 electrons at full scale it harms the "
        "finest waves (period 2 to 3 pixels) and leaves speckles on black:",
        recipe="gradnet-real",
        command="gradnet benchmark card gradnet-real CBSD68` and `"
        "gradnet benchmark pairs 'real_polyu/test/*_real.JPG' "
        "'real_polyu/test/*_mean.JPG' --model gradnet-real",
        data="10 of the 11 training scenes of PolyU (one held out for validation) and "
        + SETS,
        noise="photo=500",
        before="begun from `gradnet-small-color`; 10,779 steps in 112 minutes with "
        "other mixtures, 6,470 in 64 with this one but for the lamps' flicker, 1,965 "
        "in 20 with it, then grown by one unit a module: 3,399 in 45, with synthetic "
        "noise whose mean was not 0 yet, then: ",
    ),
    "gradnet-jpeg": Card(
        use="Compressed colour photos: JPEG of quality 5 to 95, quality not told.",
        limits="Not for noise, and not for photos that were resized after they were "
        "compressed: their blocks are no longer 8 pixels.",
        about=f"{FAST} JPEG's blocks begin anywhere in the training patches; a tenth "
        "of them have JPEG 2000's artefacts.",
        fails="At JPEG quality 20:",
        recipe="gradnet-jpeg",
        command="gradnet benchmark card gradnet-jpeg CBSD68 --noise jpeg=10 --noise "
        "jpeg=20 --noise jpeg=40 --noise jpeg2000=30 --luma",
        noise="jpeg=20",
        before="begun from `gradnet-small-color`; 4,252 steps in 40 minutes, then with "
        "more patches of quality 5 to 30: ",
    ),
    "gradnet-fast-gray": Card(
        use="Grey images and microscopy: Gaussian noise, sigma 0 to 75 of 255, and "
        "counts down to 1 photon at full scale, not told (blind).",
        limits="Not for correlated noise or fixed patterns, nor for images that hardly "
        "have any noise: at sigma 1 it leaves 45.15 dB of 48.13 (Set12, `gradnet "
        "benchmark accuracy Set12 --grey --noise gaussian=1`).",
        about=f"{FAST} A quarter of the training patches have the noise of counts. "
        f"{COUNTS}",
        fails="At sigma 25 waves of hardly more than 2 pixels and faint texture are "
        "taken for noise:",
        recipe="gradnet-fast-gray",
        command="gradnet benchmark card gradnet-fast-gray Set12 CBSD68 --grey",
        data=GREY,
        before="5,758 steps in 45 minutes with more of strong noise and patches of 64 "
        "pixels, 5,906 in 62 with shrunk and drawn images too, then with a floor of 2 "
        "levels in log-l2 (0.25 before): ",
    ),
    "gradnet-gray": Card(
        use="Grey images and microscopy: as `gradnet-fast-gray`, deeper and 15 times "
        "slower.",
        limits="Not for correlated noise or fixed patterns.",
        about="`gradnet-fast-gray` grown: 5 instead of 2 units in each of its 3 "
        "residual modules, which began as identities. Results are the mean over 8 "
        "flips and rotations of the image (`ensemble`); `--no-ensemble` leaves that "
        "out, and 0.1 dB. A quarter of the training patches have the noise of counts. "
        f"{COUNTS} On every second pair of W2S's test fields, of which it saw no noisy "
        "image, it has 32.59 dB and SSIM 0.870 (`gradnet benchmark pairs "
        "microscopy_w2s/test/noisy microscopy_w2s/test/clean --affine --every 2 "
        "--model gradnet-gray`), with `--vst on` 32.65 dB and 0.867; "
        "gradnet-fluorescence has 32.64 and 0.870, in a fourteenth of its time.",
        fails="At sigma 25 waves of hardly more than 2 pixels and faint texture are "
        "taken for noise:",
        recipe="gradnet-gray",
        command="gradnet benchmark card gradnet-gray Set12 CBSD68 --grey",
        data=GREY,
        before="begun from `gradnet-fast-gray`; 434 steps with its noise, 3,932 in 62 "
        "minutes with more of sigma 3 to 35, 6,376 in 112 with shrunk and drawn images "
        "too, all with patches of 64 pixels, 3,191 in 55 with larger ones, then with a "
        "floor of 2 levels in log-l2 (0.25 before): ",
    ),
    "gradnet-fluorescence": Card(
        use="Wide-field fluorescence micrographs: counts of a camera, noise not told "
        "(blind).",
        limits="Not for photos. Learnt on one microscope: check it on structures that "
        "matter to you. Where noise is weak, `gradnet-fast-gray` keeps more.",
        about=f"{FAST} Trained on pairs of one frame and the mean of 400, scaled as "
        "full range and as percentiles, and nuclei with made noise. On the test "
        "fields `gradnet-fast-gray`, which saw no noisy image of theirs, has 32.39 dB, "
        "and BM3D behind a variance stabilisation 32.05 dB (`--naive bm3d`). With "
        "`--vst on` this model has 32.46 dB: `auto` takes counts as they are.",
        fails="With the noise of counts, 30 photons at full scale; what is no "
        "micrograph suffers:",
        recipe="gradnet-fluorescence",
        command="gradnet benchmark card gradnet-fluorescence Set12 --grey` and `"
        "gradnet benchmark pairs microscopy_w2s/test/noisy "
        "microscopy_w2s/test/clean --affine --model gradnet-fluorescence",
        data="90 pairs of W2S (30 fields, 3 channels; 4 held out for validation) and "
        "120 images of BBBC038",
        noise="poisson-gaussian=30",
        before="begun from `gradnet-fast-gray`; ",
    ),
    "dn-resnet-13-gray": Card(
        use="Grey images and microscopy: as `gradnet-fast-gray`, with the small "
        "network of DN-ResNet.",
        limits="Not for correlated noise or fixed patterns.",
        about="DN-ResNet with 13 layers and a global skip, grown from 5 layers by "
        "cascade training, edge-aware loss (a). "
        f"{COUNTS}",
        fails="At sigma 25 waves of 2 to 3 pixels and faint texture are taken for "
        "noise, and small letters lose strokes:",
        recipe="dn-resnet-13-gray",
        command="gradnet benchmark card dn-resnet-13-gray Set12 CBSD68 --grey",
        data=GREY,
        before="6,369 steps in 28 minutes from 5 layers to 13, 14,000 in 54 with "
        "shrunk and drawn images too, 16,806 in 89 with patches of 72 pixels, 10,286 "
        "in 40 with a floor of 2 levels in log-l2 (0.25 before), then on: ",
    ),
    "ds-dn-resnet-13-gray": Card(
        use="Grey images and microscopy: as `dn-resnet-13-gray`, with few weights.",
        limits="Not for correlated noise or fixed patterns, nor for small text and "
        "fine periodic structures, which it smudges or wipes out.",
        about="`dn-resnet-13-gray` with depthwise separable blocks put in one by one "
        "from the tail (incremental evolution), edge-aware loss (a). "
        f"{COUNTS}",
        fails="At sigma 25 waves of less than about 4 pixels are wiped out, small "
        "letters smudged, and flat areas keep specks:",
        recipe="ds-dn-resnet-13-gray",
        command="gradnet benchmark card ds-dn-resnet-13-gray Set12 CBSD68 --grey",
        data=GREY,
        before="begun from `dn-resnet-13-gray`; 6,020 steps in 14 minutes, in which "
        "its blocks were exchanged, then: ",
    ),
    "mskresnet-color": Card(
        use="A baseline for `gradnet-small-color`, without its gradient: colour photos "
        "with white Gaussian noise, not told (blind).",
        limits="Not for use: `gradnet-small-color` is what it is measured against.",
        about="MSKResNet, 3 residual modules of 2 units, 64 features (as many as "
        "`gradnet-small-color` has with its gradients) on a pixel-unshuffled grid, "
        "without guide, gradient and gradient loss; data, optimiser and the first two "
        'stages of training are those of `gradnet-small-color`. See "What the gradient '
        'is worth" below.',
        fails="At sigma 25 the finest waves and faint texture are taken for noise:",
        recipe="mskresnet-color",
        command="gradnet benchmark card mskresnet-color CBSD68 Kodak24 McMaster "
        "--crop Kodak24=500",
        data=WHITE,
        before="6,038 steps in 66 minutes with loss l1 and photos alone, then: ",
    ),
    "dncnn-color": Card(
        use="The naive denoiser `dncnn` of colour images, and a baseline: colour "
        "photos with white Gaussian noise, not told (blind).",
        limits="Not for camera noise or compressed photos; `gradnet-small-color` is "
        "better.",
        about="DnCNN of 20 layers and 64 features on a pixel-unshuffled grid, without "
        "BatchNorm; data and the first two stages of training are those of "
        "`gradnet-small-color`.",
        fails="At sigma 25 the finest waves and faint texture are taken for noise:",
        recipe="dncnn-color",
        command="gradnet benchmark card dncnn-color CBSD68 Kodak24 McMaster "
        "--crop Kodak24=500",
        data=WHITE,
        before="5,817 steps in 44 minutes with loss l1 and photos alone, then: ",
    ),
    "dncnn-gray": Card(
        use="Grey images with white Gaussian noise, sigma 0 to 55 of 255, not told "
        "(blind).",
        limits="Small (8 layers on a pixel-unshuffled grid): fast rather than best.",
        about="DnCNN of 48 features without batch normalisation; its recipe is the "
        "paper's network, for colour, with 20 layers at full resolution.",
        fails="At sigma 25:",
        recipe="dncnn",
        command="gradnet benchmark card dncnn-gray Set12 CBSD68 --grey",
    ),
}

#: Rows beside a model's own: whose they are, and their figures by test set. BM3D and
#: nlm, told the true sigma, are measured by ``gradnet benchmark accuracy FOLDER --naive
#: bm3d --naive nlm`` (Kodak24 with ``--crop 500``, the grey ones with ``--grey``); the
#: others are as published.
BESIDE: dict[str, dict[str, dict[str, str]]] = {
    "gradnet-fast-color": {
        "BM3D, measured": {
            "CBSD68": "33.57 / 30.81 / 27.45",
            "Kodak24": "34.33 / 31.75 / 28.53",
            "McMaster": "34.06 / 31.68 / 28.53",
        },
        "nlm, measured": {
            "CBSD68": "30.71 / 28.40 / 25.33",
            "Kodak24": "31.72 / 29.39 / 26.20",
            "McMaster": "32.33 / 30.00 / 26.53",
        },
        "CBM3D, published": {
            "CBSD68": "33.50 / 30.69 / 27.37",
            "Kodak24": "34.28 / 31.68 / 28.46",
            "McMaster": "34.06 / 31.66 / 28.51",
        },
        "GradNet, published, one network a sigma": {
            "CBSD68": "34.07 / 31.39 / 28.12",
            "Kodak24": "34.85 / 32.35 / 29.23",
            "McMaster": "34.81 / 32.45 / 29.39",
        },
    },
}
for _name in ("gradnet-color", "gradnet-small-color"):
    BESIDE[_name] = BESIDE["gradnet-fast-color"]
for _name in ("mskresnet-color", "dncnn-color"):
    BESIDE[_name] = {
        label: rows
        for label, rows in BESIDE["gradnet-fast-color"].items()
        if label.startswith(("BM3D", "CBM3D"))
    }
for _name in (
    "gradnet-fast-gray",
    "gradnet-gray",
    "dn-resnet-13-gray",
    "ds-dn-resnet-13-gray",
    "dncnn-gray",
):
    BESIDE[_name] = {
        "BM3D, measured": {
            "Set12": "32.39 / 29.98 / 26.76",
            "CBSD68": "31.15 / 28.63 / 25.69",
        },
        "BM3D, published": {
            "Set12": "32.37 / 29.97 / 26.72",
            "BSD68": "31.07 / 28.57 / 25.62",
        },
        "DnCNN-S, published": {
            "Set12": "32.86 / 30.44 / 27.18",
            "BSD68": "31.73 / 29.23 / 26.23",
        },
    }
