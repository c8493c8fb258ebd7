  port = 1
# ^^^^ error: "port" belongs in a block
