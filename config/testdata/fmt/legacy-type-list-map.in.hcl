variable "a" {
type="list"
default=[]
}
variable "b" {
type="map"
default={}
}
