block {
  /*
  a
     b
*/
  x             = 1
  /* one */ yyy = 2
}
