shipctl {
  project = "x"
}
shipctl {
#^^^^^^ error: There is the shipctl block at
  project = "y"
}
