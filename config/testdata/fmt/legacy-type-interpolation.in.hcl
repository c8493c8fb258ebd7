variable "a" {
type="${string}"
}
