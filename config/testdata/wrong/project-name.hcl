shipctl {
  project = "Tea Time;id"
#           ^^^^^^^^^^^^^ error: can't name a project
}
