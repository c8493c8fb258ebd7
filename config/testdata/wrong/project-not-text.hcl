shipctl {
  project = ["x"]
#           ^^^^^ error: project must be text in quotes
}
