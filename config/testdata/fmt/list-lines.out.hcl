a = [
  "one", "two",
  "three",
  "four"
]
