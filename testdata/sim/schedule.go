package sim

import "cmp"

// schedule lets several actors share a world's time: one runs at a time, until it lets time pass; then whoever is to
// wake first goes on. Nothing depends on how fast anything is, so a history replays exactly.
type schedule struct {
	actors []*actor
	now    *actor
	over   chan struct{}
}

type actor struct {
	name string
	wake int // seconds of the load's clock
	luck uint64
	turn chan struct{}
	done bool
}

// Together runs actors at once, and returns when all have ended. Their calls of World and Controller let time pass for all.
func (w *World) Together(names []string, do func(i int)) {
	w.mu.Lock()
	s := &schedule{over: make(chan struct{})}
	for _, name := range names {
		s.actors = append(s.actors, &actor{name: name, wake: w.load.now, luck: w.rnd.Uint64(), turn: make(chan struct{}, 1)})
	}
	w.sched = s
	for i, a := range s.actors {
		go func() {
			<-a.turn
			w.mu.Unlock()
			do(i)
			w.mu.Lock()
			a.done = true
			w.next()
		}()
	}
	w.next()
	<-s.over // with the lock
	w.sched = nil
	w.mu.Unlock()
}

// next gives the world, with its lock, to the actor that is to go on, after the time until then has passed.
func (w *World) next() {
	s := w.sched
	var first *actor
	for _, a := range s.actors {
		if !a.done && (first == nil || cmp.Or(cmp.Compare(a.wake, first.wake), cmp.Compare(a.luck, first.luck)) < 0) {
			first = a
		}
	}
	if s.now = first; first == nil {
		close(s.over)
		return
	}
	for w.load.now < first.wake {
		w.second()
	}
	first.turn <- struct{}{}
}

// sleep is pass for an actor.
func (s *schedule) sleep(w *World, seconds int) {
	me := s.now
	me.wake, me.luck = w.load.now+seconds, w.rnd.Uint64()
	w.next()
	<-me.turn
}
