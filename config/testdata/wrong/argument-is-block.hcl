service "x" {
  health = { interval = "1s" }
# ^^^^^^ error: "health" is a block: write health { … } without an equals sign
}
