variable "a" {
validation {
type="string"
}
type=string
}
