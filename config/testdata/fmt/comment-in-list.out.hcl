a = [
  # first
  1,
  # second
  2, # two
  3, // three
  /* four */
  4
]
