block {
  a = 1



}
