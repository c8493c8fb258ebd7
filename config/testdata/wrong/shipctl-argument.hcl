shipctl {
  project  = "x"
  proejct2 = "y"
# ^^^^^^^^ error: Did you mean "project"?
}
