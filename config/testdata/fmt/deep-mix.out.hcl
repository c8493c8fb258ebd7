module "x" {
  a = [for k, v in { b = 1, c = [1, 2] } : {
    d   = "${k}"
    eee = v
  } if v != null]
  f = { for x in ["a", "b"] : x => [
  1, 2] }
}
