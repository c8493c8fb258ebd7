a = format("%s-%s",
"x",
      "y")
