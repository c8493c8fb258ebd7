service "teatime" {
  release = release.teatime
  command = ["java", "-jar", "teatime-${slot.version}.jar", "--server.port=${slot.port}"]
  slot "blue" { port = 8081 }
  slot "green" {
    port = 8082
    env  = { SPRING_PROFILES_ACTIVE = "real2" }
  }
  health {
    interval = "1s"
    http {
      path   = "/profile"
      status = [200]
    }
  }
}
