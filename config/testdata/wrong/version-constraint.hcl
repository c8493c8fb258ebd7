shipctl {
  project          = "x"
  required_version = "latest"
#                    ^^^^^^^^ error: is not a version constraint
}
