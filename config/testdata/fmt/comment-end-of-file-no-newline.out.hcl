a = 1
# last, no newline