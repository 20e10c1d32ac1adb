"""Networks: tensor in, tensor out. One family a file; `registry` builds them."""
