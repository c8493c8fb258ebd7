  variable "version" {
# ^^^^^^^^^^^^^^^^^^ error: Give "version" a value: a default here, `version = …` in shipctl.hclvars, -var 'version=…', -var-file, or SHIPCTL_VAR_version
  type = string
}
release "x" {
  hosts = []
  root  = "/srv/${var.version}"
}
