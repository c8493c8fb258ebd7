  relase "x" {}
# ^^^^^^ error: Did you mean "release"?
  resource "x" "y" {}
# ^^^^^^^^ error: There are shipctl, variable, locals, defaults, host, release and service.
