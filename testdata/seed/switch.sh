#!/bin/sh
# What shipctl replaces: S1, blue/green across nginx machines, done by a shell script on the application machine. Here for
# comparison: the load meter must see it lose requests. Settings come from the environment.
set -u

: "${APP_IP:?address that nginx reaches this machine at}"
: "${NGINX:?the nginx machines, as ssh knows them}"
: "${JARS:=/srv/teatime}"                                       # programs, NAME-VERSION; the newest is started
: "${ARGS:=}"                                                   # more arguments for it
: "${INCLUDE:=/etc/nginx/conf.d/service-prod-url.inc}"
: "${HEALTH:=/health}"
: "${BODY:=timestamp}"                                          # an answer that contains this counts as up
: "${TRIES:=10}" "${PAUSE:=10}" "${STOP_WAIT:=5}"

# 1. Which profile is live: the status on the first port says.
status=$(curl -s -o /dev/null -w '%{http_code}' "http://localhost:8080$HEALTH")
if [ "$status" = 200 ]; then
	live_port=8080 idle=prod2 idle_port=8081
else
	live_port=8081 idle=prod1 idle_port=8080
fi
echo "starting $idle on $idle_port"

# 2. The newest program on the idle port.
# shellcheck disable=SC2012
jar=$(ls -t "$JARS"/*-* | head -n 1)
# shellcheck disable=SC2086
VERSION=${jar##*-} SLOT=$idle PORT=$idle_port nohup "$jar" $ARGS >"$JARS/$idle.log" 2>&1 </dev/null &

# 3. Its health.
try=1
until curl -s "http://localhost:$idle_port$HEALTH" | grep -q "$BODY"; do
	if [ "$try" -ge "$TRIES" ]; then
		echo "not healthy after $TRIES tries; nginx was not touched" >&2
		exit 1
	fi
	try=$((try + 1))
	sleep "$PAUSE"
done

# 4. Each nginx machine, one after the other.
for web in $NGINX; do
	echo "switching $web"
	# shellcheck disable=SC2029
	ssh "$web" "echo 'set \$service_url http://$APP_IP:$idle_port;' >$INCLUDE && service nginx reload"
	echo "switched $web at $(date +%s%3N)"
done

# 5. The old process.
if command -v lsof >/dev/null; then
	old=$(lsof -ti "tcp:$live_port" -s tcp:LISTEN)
else
	old=$(ss -Hltnp "sport = :$live_port" | sed -n 's/.*pid=\([0-9]*\).*/\1/p')
fi
if [ -n "$old" ]; then
	echo "stopping $old at $(date +%s%3N)"
	# shellcheck disable=SC2086
	kill -15 $old
	sleep "$STOP_WAIT"
fi
