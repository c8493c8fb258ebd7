resource "a" {
type="string"
}
locals {
type="list"
}
type="map"
