shipctl {
#^^^^^^ error: Write shipctl { project = "NAME" }
  required_version = ">= 0.1"
}
