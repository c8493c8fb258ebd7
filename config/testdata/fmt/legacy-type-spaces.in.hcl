variable "a" {
type   =      "string"
description="x"
}
