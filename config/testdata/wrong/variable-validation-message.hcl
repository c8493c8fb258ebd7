variable "a" {
  default = "x"

  validation {
    condition     = true
    error_message = "no ${var.nope}"
#                         ^^^^^^^^ error: There is no variable "nope"
  }
  validation {
    condition     = true
    error_message = "no ${local.nope}"
#                         ^^^^^^^^^^ error: An error message can refer to variables only
  }
  validation {
    condition     = true
    error_message = nosuch(1)
#                   ^^^^^^ error: no function named "nosuch"
  }
  validation {
    condition     = true
    error_message = null
#                   ^^^^ error: An error message is text
  }
}

variable "wrong" {
#^^^^^^^^^^^^^^^ error: The error message can't be shown: it can't be evaluated.
  default = null

  validation {
    condition     = var.wrong != null
    error_message = "${var.wrong} is not enough"
#                      ^^^^^^^^^ error: result is null
  }
}

variable "unset" {
  type    = string
  default = null

  validation {
    condition     = upper(1, 2) == var.unset
#                            ^ error: Function "upper" expects only 1 argument
    error_message = "${var.unset} is not given"
  }
}
