block {


  a = 1


}
