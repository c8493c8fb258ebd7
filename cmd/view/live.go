package view

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/shipctl/shipctl/executor"
	"github.com/shipctl/shipctl/planner"
	"github.com/shipctl/shipctl/providers"
	"github.com/shipctl/shipctl/providers/remote"
)

// live shows what runs at the bottom of a terminal and lets what has ended scroll away above it.
type live struct {
	Human
	plan    *planner.Plan
	title   func(providers.Step) providers.Step
	host    int // columns of the longest machine's name
	program *tea.Program
	over    sync.Once
}

// Live follows an apply on a terminal. It reads no keys: an interrupt stays a signal, and what is typed stays in the
// terminal.
func Live(h Human, p *planner.Plan) Progress {
	v := &live{Human: h, plan: p, title: titles(p), host: widestHost(p)}
	m := &screen{text: h.Out, total: len(p.Order), host: v.host, width: h.Out.Width, start: time.Now()}
	v.program = tea.NewProgram(m, tea.WithOutput(h.Out.Out), tea.WithInput(nil), tea.WithEnvironment(h.Environ), tea.WithoutSignalHandler())
	go func() {
		// Without a screen there are no lines; the end is printed all the same.
		_ = remote.Guarded(func() { _, _ = v.program.Run() })
	}()
	return v
}

// Event implements Progress.
func (v *live) Event(e executor.Event) {
	if len(e.Windows) > 0 {
		for _, w := range e.Windows {
			if e.Step.ID == "" {
				v.above("  " + windowLine(w))
			}
		}
		return
	}
	e.Step = v.title(e.Step)
	v.program.Send(e)
	if text := ended(v.Out, e, v.host); text != "" {
		v.above(text)
	}
}

// Note implements Progress.
func (v *live) Note(s string) { v.above(v.Out.paint(yellow, block(s))) }

// above prints in the order of the calls, and before End's last word: commands of a model would race.
func (v *live) above(text string) { v.program.Send(tea.Println(text)()) }

// End implements Progress.
func (v *live) End(o executor.Outcome) {
	v.over.Do(func() {
		v.program.Send(over{})
		v.program.Wait()
		v.Out.outcome(v.Err, v.plan, o)
	})
}

type (
	over struct{}
	tick time.Time
)

// screen is bubbletea's model of it.
type screen struct {
	text        Text
	total, done int
	host, width int
	start, now  time.Time
	running     []*begun
	closed      bool
}

// Init implements tea.Model.
func (m *screen) Init() tea.Cmd { return nextTick() }

func nextTick() tea.Cmd {
	return tea.Tick(200*time.Millisecond, func(t time.Time) tea.Msg { return tick(t) })
}

// Update implements tea.Model.
func (m *screen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tick:
		m.now = time.Time(msg)
		return m, nextTick()
	case tea.WindowSizeMsg:
		m.width = msg.Width
	case executor.Event:
		m.running = track(m.running, msg)
		if slices.Contains([]executor.State{executor.Done, executor.Failed, executor.Cut, executor.Skipped}, msg.State) {
			m.done++
		}
	case over:
		m.closed = true
		return m, tea.Quit
	}
	return m, nil
}

// liveRows is how many running steps are shown: those that have run for longest.
const liveRows = 8

// View implements tea.Model.
func (m *screen) View() tea.View {
	if m.closed {
		return tea.NewView("")
	}
	now := m.now
	if now.IsZero() {
		now = m.start
	}
	var rows []string
	for i, b := range m.running {
		if i == liveRows {
			rows = append(rows, fmt.Sprintf("… and %d more", len(m.running)-liveRows))
			break
		}
		doing := ""
		if b.undo {
			doing = "undoing: "
		}
		rows = append(rows, fmt.Sprintf("%s  %s%s … %s", pad(line(b.step.Host), m.host), doing, line(b.step.Title), took(max(0, now.Sub(b.since)))))
	}
	rows = append(rows, m.text.paint(faint, fmt.Sprintf("%d of %s, %s", m.done, plural(m.total, "step"), took(max(0, now.Sub(m.start))))))
	for i := range rows {
		if m.width > 0 && i < len(rows)-1 {
			rows[i] = cut(rows[i], m.width)
		}
	}
	return tea.NewView(strings.Join(rows, "\n"))
}
