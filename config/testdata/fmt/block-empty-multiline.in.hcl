block {
}
block "x" {

}
block "y" {


}
