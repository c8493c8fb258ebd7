defaults {
  host {}
}
defaults {
  host {}
# ^^^^ error: There is the defaults of host blocks at
}
