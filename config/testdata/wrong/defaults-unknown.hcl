defaults {
  relese {}
# ^^^^^^ error: Did you mean "release"?
  host {
    for_each = {}
#   ^^^^^^^^ error: it can't be a default
  }
}
