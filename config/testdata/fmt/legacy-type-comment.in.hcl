variable "a" {
type="string" # why
}
variable "b" {
type=list // why
}
