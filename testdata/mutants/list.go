package main

// mutant is a fault: in file, the text old, which is there once, becomes with. A test of pkg whose name matches test
// must fail then.
type mutant struct {
	name, file, old, with, pkg, test string
}

const (
	batch    = "./providers/batch"
	service  = "./providers/service"
	nginx    = "./providers/nginx"
	release  = "./providers/release"
	remote   = "./providers/remote"
	planner  = "./planner"
	executor = "./executor"
	sim      = "./testdata/sim"
	command  = "./cmd/shipctl"
)

func mutants() []mutant {
	var all []mutant
	for _, f := range []func() []mutant{ordering, choosing, looking, scripting, nginxScripting, executing, planning} {
		all = append(all, f()...)
	}
	return all
}

// ordering: what comes after what in a deployment.
func ordering() []mutant {
	return []mutant{
		{"drain dropped", "providers/service/reroute.go", "for i := range drains {", "for i := range drains[:0] {", service, "TestDiffOrder"},
		{"stop not after drain", "providers/service/retire.go", "after := append(b.release(providers.Activate), drained...)", "after := b.release(providers.Activate)", service, "TestDiffOrder"},
		{
			"activate not after switch", "providers/service/reroute.go", "append(swtch.Before, b.release(providers.Activate)...)", "append(swtch.Before, b.release(\"x\")[:0]...)",
			service, "TestDiffOrder",
		},
		{"switch not after all checks", "providers/service/reroute.go", "append(append(switches[i].After, checks...), confirmed...)", "append(append(switches[i].After, checks[i]), confirmed...)", service, "TestDiffOrder"},
		{"switch not after confirm", "providers/service/reroute.go", "checks...), confirmed...)", "checks...), confirmed[:0]...)", service, "TestDiffOrder"},
		{"check not after healthy", "providers/service/reroute.go", "check.After = append(check.After, after...)", "check.After = append(check.After, after[:0]...)", sim, "TestPlanText"},
		{"stop not final", "providers/service/retire.go", `b.stop(h.Name, name, "stop", "stop", after, true)`, `b.stop(h.Name, name, "stop", "stop", after, false)`, service, "TestDiffOrder"},
		{"gather dropped", "providers/service/steps.go", "if b.gather != nil {\n\t\tto", "if b.gather != nil && b.stuck {\n\t\tto", service, "TestDiffGather"},
		{"gather undone", "providers/service/reroute.go", "swtch.Undo = nil", "swtch.Gates = nil", sim, "TestFaultsInGather"},
		{"clear before gathered", "providers/service/steps.go", "healthy := b.bringUp(ready)", "healthy := b.bringUp(ready[:0])", service, "TestDiffGather"},
		{"two run at once", "providers/service/recreate.go", "append(after, b.makeRoom(h.Name, after)...)", "append(after, b.makeRoom(h.Name, after)[:0]...)", service, "TestDiffRecreateOrder"},
		{"the old one is not started again", "providers/service/recreate.go", `s.Undo = &remote.Call{Script: "service/revive"`, `_ = &remote.Call{Script: "service/revive"`, sim, "TestRecreateNeverHealthy"},
		{"activated before it is healthy", "providers/service/recreate.go", "append(s.Before, b.release(providers.Activate)...)", "append(s.Before, b.release(\"x\")[:0]...)", service, "TestDiffRecreateOrder"},
		{"hooks not waited for", "providers/service/steps.go", "return append(after, hooks...)", "return append(after, hooks[:0]...)", service, "TestDiffHooks"},
	}
}

// choosing: which slot, and what is left alone.
func choosing() []mutant {
	return []mutant{
		{"wrong slot", "providers/service/diff.go", "\t\treturn idle[0], nil\n\t}\n\treturn slots[1], nil", "\t\treturn idle[0], nil\n\t}\n\treturn slots[0], nil", service, "TestDiff"},
		{"idle slot need not be healthy", "providers/service/steps.go", "return ok && (l.healthy(t) ||", "return ok && (t.Port > 0 ||", service, "TestDiffUnhealthy"},
		{"stranger started over", "providers/service/diff.go", "case mine && !routed:", "case mine && routed && li.PID < 0:", service, "TestDiffStrangers"},
		{"taken over without consent", "providers/service/diff.go", "case routed && b.takeOver && !mine:", "case routed && !mine:", service, "TestDiffStrangers"},
		{"one answer speaks for an upstream", "providers/service/live.go", `if s.Nginx.Variable == "" || r.why != "" ||`, `if r.why != "" ||`, service, "TestDiffUnknown"},
		{"a slot answers for the port that it is to have", "providers/service/live.go", "l.hosts[h.Name].ports(sl), func", "[]int{sl.Port}, func", sim, "TestSwappedPorts"},
		{"unknown workers send nowhere", "providers/service/live.go", "if !r.known || has(r.loaded) || s.unplaced", "if has(r.loaded) || s.unplaced", service, "TestDiffUnknown"},
		{"settings don't matter", "providers/service/live.go", "p.Digest == s.digest(sl, h.id) &&", "p.Digest != \"\" &&", service, "TestDiff"},
		{"a reboot is forgotten", "providers/service/live.go", `return s.Runner != "systemd" ||`, `return s.Runner != "" ||`, service, "TestDiffFirstWeek"},
		{"retired machine kept", "providers/service/retire.go", "if h.Retired {\n\t\treturn false", "if h.Retired && name == \"\" {\n\t\treturn false", service, "TestDiffFirstWeek"},
		{"previous never kept", "providers/service/retire.go", `return configured && b.spec.Previous == "running"`, `return configured && b.spec.Previous == "kept"`, service, "TestDiff"},
		{"secret's fingerprint dropped", "providers/command.go", "Print: hex.EncodeToString(key)", "Print: hex.EncodeToString(key[:0])", service, "TestDecodeSecret"},
	}
}

// looking: what was seen is understood, and what was not is not taken for absent.
func looking() []mutant {
	return []mutant{
		{"denied is absent", "providers/service/live.go", "if a.Sight != remote.Seen {\n\t\treturn &hostLive", "if a.Sight == remote.Unreachable {\n\t\treturn &hostLive", service, "TestDiffBlind"},
		{"unknown lines ignored", "providers/service/facts.go", "if want == 0 || len(f) != want {", "if want == 0 {\n\t\treturn nil\n\t}\n\tif len(f) != want {", service, "TestDiffBlind"},
		{"a word of nginx's look that nobody knows", "providers/nginx/live.go", `case in.known != "no":`, `case in.known == "":`, nginx, "TestLive"},
		{"claims unchecked", "planner/decode.go", "claimedOnce(out)...", "claimedOnce(out[:0])...", command, "TestWrong"},
	}
}

// scripting: what runs on application machines.
func scripting() []mutant {
	return []mutant{
		{"epoch unchecked", "providers/remote/step.sh", `[ "$__epoch" -le "$EPOCH" ] 2>/dev/null && return 0`, "return 0", remote, "TestLease"},
		{"step lock not taken", "providers/remote/step.sh", "until flock -n 9; do", "until :; do", remote, "TestStepLock"},
		{"another process than the healthy one is confirmed", "providers/service/confirm.sh", `if ! noted "$home/$slot.healthy"; then`, `if ! noted "$home/$slot.healthy" && [ -z "$MARK" ]; then`, service, "TestConfirm"},
		{"a process without a marker is forgotten", "providers/service/common/slot.sh", `noted "$home/$slot.proc" || return 1`, "return 1", service, "TestHiddenEnvironment"},
		{"a job is stopped with a service without a marker", "providers/service/common/slot.sh", `&& ! of_job "$1"; }`, "; }", service, "TestJobOfAHiddenService"},
		{"a launcher that waited goes on with the old command", "providers/batch/launcher/launcher.sh", "if ! sc_same; then", "if false; then", batch, "TestReplacedWhileItWaits"},
		{"secrets are root's for a moment", "providers/batch/write.sh", `! own "$s.env.shipctl-new"`, `! { mv -fT "$s.env.shipctl-new" "$s.env" && sleep 0.1 && own "$s.env" && mv -fT "$s.env" "$s.env.shipctl-new"; }`, batch, "TestSecretsAreReadable"},
		{"an unrecognised program is called stopped", "providers/service/stop.sh", `[ "$cut" = cut ] || die "$held: see`, `: || die "$held: see`, service, "TestStopUnrecognised"},
		{"health accepts a stranger", "providers/service/common/slot.sh", `if [ "$m" = "$mark" ] && s=$(proc_start "$p"); then`, `if s=$(proc_start "$p"); then`, service, "TestStrangerAnswers"},
		{"started on a taken port", "providers/service/common/run.sh", `if [ -n "$taken" ] && ! ours "${taken%% *}"; then`, "if false; then", service, "TestPortTaken"},
		{"started twice", "providers/service/common/run.sh", "pid=$(running) && {", "false && {", service, "TestProcessLife"},
		{"stopped though connected", "providers/service/stop.sh", `if [ -n "$left" ] && [ "$cut" != cut ]; then`, "if false; then", service, "TestConnected"},
		{"evicted without a look at the start time", "providers/service/evict.sh", `if ! proc_is "$pid" "$start"; then`, "if false; then", service, "TestEvict"},
		{"a PID alone names a process", "providers/remote/prelude.sh", `[ "$_now" = "$2" ]`, `[ -n "$_now" ]`, service, "TestEvict"},
		{"content of an upload unchecked", "providers/release/upload.sh", "die \"what arrived is not what was planned", ": \"what arrived is not what was planned", release, "TestBrokenUploads"},
		{"a release in use is removed", "providers/release/prune.sh", "printf 'in use by process %s (%s)'", ": 'in use by process %s (%s)'", release, "TestPrune"},
	}
}

// nginxScripting: what runs on nginx machines.
func nginxScripting() []mutant {
	return []mutant{
		{"switch without verify", "providers/nginx/switch.sh", "verify \"$STATUSES\" \"$BODY\" || die \"$WHYNOT$NL$(log_tail)\"", ":", nginx, "TestNotReachable|TestForeignReloads|TestDeployment|TestCheckRefuses|TestModel"},
		{"restore skipped", "providers/nginx/restore.sh", "put_back \"$WAS\" || die", "[ -n \"$WAS\" ] || die", nginx, "TestModel"},
		{"check leaves its file", "providers/nginx/check.sh", "trap put_away EXIT", "trap : EXIT", nginx, "TestCheckRefuses|TestCheckAccepts"},
		{"any worker is one of ours", "providers/nginx/common/common.sh", `only "$WORKERS" "$RWORKERS"`, ":", nginx, "TestTurnoverThatWeDidNotCause"},
		{"what was not verified is known after another's reload", "providers/nginx/common/act.sh", `[ "$(but_ours <"$_list")" = "$_rest" ] || continue`, ":", nginx, "TestTwoRoutes"},
		{"changed files are what was verified", "providers/nginx/common/common.sh", `[ "$SEAL" = "$RSEAL" ] || {`, `[ -n "$SEAL" ] || {`, nginx, "TestForeignReloadOfTheSame"},
		{"drain does not wait", "providers/nginx/drain.sh", `await_gone "$1" "$old" || :`, ":", nginx, "TestDrain"},
	}
}

// executing: the order kept, the way back, and what is not known.
func executing() []mutant {
	return []mutant{
		{"skip not passed on", "executor/ways.go", "case Failed, Cut, Skipped:", "case Failed, Cut:", executor, "TestRun"},
		{"undone before what is built on it", "executor/undo.go", "u.built[id] > 0 || ", "", sim, "TestFaultsInUndo"},
		{"what is needed is undone", "executor/undo.go", "case u.needed[s.ID]:", "case u.needed[s.ID] && s.Final:", sim, "TestFaultsInUndo"},
		{"final ignored", "executor/executor.go", "u.final = u.final || s.Final", "u.final = false", sim, "TestFaults/stopped_process"},
		{"parallelism unlimited", "executor/executor.go", "begun = r.beginAmong(ctx, &r.ways.open, running, results)", "begun = r.beginAmong(ctx, &r.ways.open, 0*running, results)", executor, "TestParallelism"},
		{"a lost reply is not looked at again", "executor/executor.go", "const attempts = 3", "const attempts = 1", executor, "TestRun"},
		{"the failed step is not undone", "executor/undo.go", "case !u.failed:", "case !u.failed || r.out.States[s.ID] == Failed && !u.final:", executor, "TestRun"},
	}
}

// planning: the order of steps, and when a plan is stale.
func planning() []mutant {
	return []mutant{
		{"stale ignores steps", "planner/stale.go", "if len(w.Steps) == 0 && len(n.Steps) == 0 && w.Problem == n.Problem {", "if w.Problem == n.Problem {", planner, "TestStale"},
		{"before is ignored", "planner/build.go", "for _, b := range s.Before {", "for _, b := range s.Before[:0] {", planner, "TestOrder"},
		{"units apart", "planner/build.go", "if _, known := u[n]; known && u[n] != u[r.Ref] {", "if _, known := u[n]; known && u[n] == r.Ref.Kind {", planner, "TestUnits"},
		{"a plan with a field too many is read", "planner/file.go", "d.DisallowUnknownFields()", "d.UseNumber()", planner, "TestReadRefuses"},
	}
}
