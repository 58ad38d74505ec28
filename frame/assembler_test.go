package frame

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc/internal/mem"
)

// prefixOf returns a message prefix.
func prefixOf(compressed bool, n int) []byte {
	var p [PrefixLen]byte
	PutPrefix(&p, compressed, n)
	return p[:]
}

// message returns a message with its prefix.
func message(compressed bool, body string) string {
	return string(prefixOf(compressed, len(body))) + body
}

// popAll takes all messages out of a as text.
func popAll(a *Assembler) []string {
	var all []string
	for m, ok := a.Pop(); ok; m, ok = a.Pop() {
		all = append(all, message(m.Compressed, string(m.Body.Bytes())))
		m.Body.Free()
	}
	return all
}

func checkMessages(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d messages, want %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("message %d has %d octets, want %d, or other ones", i, len(got[i]), len(want[i]))
		}
	}
}

// Several tells one message from two, in one payload and in several.
func TestSeveral(t *testing.T) {
	var a Assembler
	defer a.Close()
	for i, step := range []struct {
		payload string
		want    bool
	}{
		{"", false},
		{message(false, "a"), false},
		{message(false, "b")[:3], false},
		{message(false, "b")[3:], true},
	} {
		if err := a.Push(mem.Copy([]byte(step.payload)), -1); err != nil {
			t.Fatal(err)
		}
		if got := a.Several(); got != step.want {
			t.Errorf("step %d: %v", i, got)
		}
	}
	var both Assembler
	defer both.Close()
	if err := both.Push(mem.Copy([]byte(message(false, "a")+message(true, "b"))), -1); err != nil || !both.Several() {
		t.Errorf("two in one payload: %v, %v", both.Several(), err)
	}
}

// Every way of cutting a stream in two or into equal parts gives the same
// messages.
func TestAssemblerSplits(t *testing.T) {
	trackBuffers(t)
	want := []string{
		message(false, ""), message(true, "x"), message(false, strings.Repeat("a", 300)), message(true, ""),
		message(false, strings.Repeat("b", copyBelow)), message(false, strings.Repeat("c", 3000)), message(false, "y"),
	}
	stream := strings.Join(want, "")
	for cut := range stream {
		checkMessages(t, assemble(t, stream[:cut], stream[cut:]), want)
	}
	for _, size := range []int{1, 2, 3, 4, 5, 6, 7, 64, 257, 1000, 1029, 4096} {
		var parts []string
		for rest := stream; rest != ""; rest = rest[min(size, len(rest)):] {
			parts = append(parts, rest[:min(size, len(rest))])
		}
		checkMessages(t, assemble(t, parts...), want)
	}
}

// assemble pushes parts, popping what there is after every second one.
func assemble(t *testing.T, parts ...string) []string {
	t.Helper()
	var a Assembler
	defer a.Close()
	var got []string
	for i, part := range parts {
		if err := a.Push(mem.Copy([]byte(part)), -1); err != nil {
			t.Fatal(err)
		}
		if i%2 == 1 {
			got = append(got, popAll(&a)...)
		}
	}
	if a.Mid() {
		t.Error("the stream's end is inside a message")
	}
	return append(got, popAll(&a)...)
}

func TestAssemblerZeroCopy(t *testing.T) {
	trackBuffers(t)
	body := strings.Repeat("z", 2000)
	tests := []struct {
		name, payload string
		shared        []bool // whether each body lies in the payload
	}{
		{"alone", message(false, body), []bool{true}},
		{"small, alone in a small buffer", message(false, "abc"), []bool{true}},
		{"two", message(false, body) + message(false, body), []bool{true, true}},
		{"small ones are copied",
			message(false, "abc") + message(false, body) + message(false, "abc"), []bool{false, true, false}},
		{"large after small", message(false, "abc") + message(false, body), []bool{false, true}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b := mem.Copy([]byte(test.payload))
			memory := b.Bytes()
			var a Assembler
			defer a.Close()
			if err := a.Push(b, -1); err != nil {
				t.Fatal(err)
			}
			for i, want := range test.shared {
				m, ok := a.Pop()
				if !ok {
					t.Fatalf("no message %d", i)
				}
				if got := inside(m.Body.Bytes(), memory); got != want {
					t.Errorf("message %d lies in the payload: %v, want %v", i, got, want)
				}
				if i > 0 && test.shared[0] && m.Body == b {
					t.Error("a buffer that has a view was given away")
				}
				defer m.Body.Free()
			}
		})
	}
}

// inside reports whether part lies in memory.
func inside(part, memory []byte) bool {
	for i := range memory {
		if &memory[i] == &part[0] {
			return true
		}
	}
	return false
}

// A claim costs nothing: memory follows the octets that have arrived.
func TestAssemblerTrustsNoClaim(t *testing.T) {
	trackBuffers(t)
	for _, claim := range []uint32{4 << 20, 1<<31 - 1 - PrefixLen} {
		var a Assembler
		prefix := prefixOf(false, int(claim))
		if err := a.Push(mem.Copy(append(prefix, 'x')), -1); err != nil {
			t.Fatal(err)
		}
		if got := a.part.Cap(); got > 256 {
			t.Errorf("claim of %d octets: memory of %d taken for 6 octets", claim, got)
		}
		for received := 6; received < 300<<10; received += 1000 {
			if err := a.Push(mem.Get(1000), -1); err != nil {
				t.Fatal(err)
			}
			// Twice what is needed, rounded up to a pool's size.
			if got := a.part.Cap(); got > max(16<<10+64, 5*received) {
				t.Fatalf("claim of %d octets: memory of %d taken for %d octets", claim, got, received)
			}
		}
		a.Close()
	}
}

// Frames of one octet do not cost a buffer each.
func TestAssemblerSmallFrames(t *testing.T) {
	tracker := mem.Track()
	defer tracker.Stop()
	var a Assembler
	prefix := prefixOf(false, 100000)
	for i := range 10000 {
		b := mem.Copy([]byte{0})
		if i < len(prefix) {
			b.Bytes()[0] = prefix[i]
		}
		if err := a.Push(b, -1); err != nil {
			t.Fatal(err)
		}
		if n := len(tracker.Leaks()); n > 1 {
			t.Fatalf("%d buffers alive after %d frames", n, i+1)
		}
	}
	if got, want := a.Partial(); got != 10000 || want != 100005 {
		t.Errorf("Partial() = %d, %d, want 10000, 100005", got, want)
	}
	a.Close()
	if leaks := tracker.Leaks(); len(leaks) > 0 {
		t.Errorf("not freed: %v", leaks)
	}
}

// Nor do small messages that nobody takes, whole or cut, one in a frame each.
func TestAssemblerSmallMessages(t *testing.T) {
	for _, size := range []int{5, 4, 6, 3} {
		tracker := mem.Track()
		defer tracker.Stop()
		var a Assembler
		var want []string
		stream := ""
		for i := range 10000 {
			want = append(want, message(i%2 == 0, strings.Repeat("x", i%3)))
			stream += want[i]
			for ; len(stream) >= size; stream = stream[size:] {
				if err := a.Push(mem.Copy([]byte(stream[:size])), -1); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := a.Push(mem.Copy([]byte(stream)), -1); err != nil {
			t.Fatal(err)
		}
		// 60000 octets, 256 to a buffer, less what is lost at their ends.
		if n := len(tracker.Leaks()); n > 250 {
			t.Errorf("%d buffers alive after 10000 messages in frames of %d octets", n, size)
		}
		checkMessages(t, popAll(&a), want)
		a.Close()
		if leaks := tracker.Leaks(); len(leaks) > 0 {
			t.Errorf("not freed: %v", leaks)
		}
	}
}

// What nobody takes is held in buffers of four times as many octets at the most, however the
// peer frames it: a buffer is up to twice as large as what it is for, and a payload is kept for
// a message in it while the beginning of the next one is copied.
func TestAssemblerHoldsAMultiple(t *testing.T) {
	small := message(false, strings.Repeat("x", joinBelow-PrefixLen)) // just too large to join
	worst := 0.0
	for _, size := range []int{5, 257, 1025, 2049, 4097, 8193, 16449, 128<<10 + 65} {
		large := message(false, strings.Repeat("y", size-PrefixLen))
		for _, frames := range [][]string{
			{large},
			{large, small},
			{large[:1], large[1:]},
			{large[:size-1], large[size-1:] + small},
			{large[:1], large[1:] + small + large[:1], large[1:]},
			slices.Concat([]string{small + large[:size-1]},
				slices.Repeat([]string{large[size-1:] + small + large[:size-1]}, 8), []string{large[size-1:]}),
		} {
			var a Assembler
			sent := 0
			for sent < 2<<20 {
				for _, f := range frames {
					if err := a.Push(mem.Copy([]byte(f)), -1); err != nil {
						t.Fatal(err)
					}
					sent += len(f)
				}
			}
			held := 0
			for _, r := range a.runs[a.head:] {
				held += r.buf.Cap()
			}
			a.Close()
			if ratio := float64(held) / float64(sent); ratio > 4 {
				t.Errorf("messages of %d octets in %d frames: %.1f times as much is held", size, len(frames), ratio)
			} else {
				worst = max(worst, ratio)
			}
		}
	}
	if worst < 3 {
		t.Errorf("the worst is %.1f times as much; docs/spec.md says four", worst)
	}
}

// Room that a message has been given at its word is known.
func TestAssemblerReserved(t *testing.T) {
	trackBuffers(t)
	var a Assembler
	m := message(false, strings.Repeat("x", 64<<10))
	at := 0
	for _, step := range []struct {
		why  string
		n    int
		want int
	}{
		{"the prefix is cut", 3, 0},
		{"less than an eighth has come", 4 << 10, 0},
		{"more has come", 16 << 10, len(m) - 3 - 20<<10},
		{"most has come", 40 << 10, len(m) - 3 - 60<<10},
		{"all has come", len(m) - 3 - 60<<10, 0},
	} {
		if err := a.Push(mem.Copy([]byte(m[at:at+step.n])), -1); err != nil {
			t.Fatal(err)
		}
		at += step.n
		if got := a.Reserved(); got != step.want {
			t.Errorf("%s: %d octets are reserved, want %d", step.why, got, step.want)
		}
	}
	a.Close()
}

// What joins the waiting messages goes into a buffer without views: the length of a buffer is its
// sole owner's to change.
func TestAssemblerJoinSparesViews(t *testing.T) {
	trackBuffers(t)
	var a Assembler
	defer a.Close()
	large := strings.Repeat("a", 2*copyBelow)
	b := mem.Copy([]byte(message(false, large) + message(false, "b") + "\x00"))
	length := b.Len()
	if err := a.Push(b, -1); err != nil {
		t.Fatal(err)
	}
	view, _ := a.Pop()
	defer view.Body.Free()
	for _, part := range []string{"\x00\x00\x00\x01c", message(true, "d")} {
		if err := a.Push(mem.Copy([]byte(part)), -1); err != nil {
			t.Fatal(err)
		}
	}
	if b.Len() != length {
		t.Errorf("the buffer under the view has %d octets, had %d", b.Len(), length)
	}
	checkMessages(t, popAll(&a), []string{message(false, "b"), message(false, "c"), message(true, "d")})
	if string(view.Body.Bytes()) != large {
		t.Error("the first message has changed")
	}
}

func TestAssemblerPartial(t *testing.T) {
	trackBuffers(t)
	var a Assembler
	defer a.Close()
	steps := []struct {
		push      string
		got, want int
		ready     bool
	}{
		{"", 0, 0, false},
		{"\x00", 1, 5, false},
		{"\x00\x00\x00", 4, 5, false},
		{"\x03", 5, 8, false},
		{"ab", 7, 8, false},
		{"c", 0, 0, true},
		{"\x01\x00", 2, 5, true},
		{"\x00\x00\x00" + "\x00", 1, 5, true},
	}
	for i, s := range steps {
		if err := a.Push(mem.Copy([]byte(s.push)), -1); err != nil {
			t.Fatal(err)
		}
		if got, want := a.Partial(); got != s.got || want != s.want {
			t.Errorf("step %d: Partial() = %d, %d, want %d, %d", i, got, want, s.got, s.want)
		}
		if a.Mid() != (s.want > 0) || a.Ready() != s.ready {
			t.Errorf("step %d: Mid() = %v, Ready() = %v", i, a.Mid(), a.Ready())
		}
	}
	checkMessages(t, popAll(&a), []string{message(false, "abc"), message(true, "")})
}

func TestAssemblerErrors(t *testing.T) {
	first := message(false, "first")
	tests := []struct {
		name, bad string
		limit     int
		want      MessageError
		text      string
	}{
		{"flag", "\x02\x00\x00\x00\x01", -1, MessageError{Kind: BadFlag, Flag: 2, Length: 1}, "compressed flag 2"},
		{"flag of a large one",
			"\xff\xff\xff\xff\xff", 5, MessageError{Kind: BadFlag, Flag: 255, Length: math.MaxUint32}, "flag 255"},
		{"over the limit",
			"\x01\x00\x00\x00\x06", 5, MessageError{Kind: TooLarge, Flag: 1, Length: 6, Limit: 5}, "larger than max (6 vs. 5)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			trackBuffers(t)
			stream := first + test.bad + "rest"
			for cut := range stream {
				var a Assembler
				err := a.Push(mem.Copy([]byte(stream[:cut])), test.limit)
				if cut >= len(first)+PrefixLen && err == nil {
					t.Fatalf("cut at %d: the error is not found on the prefix", cut)
				}
				if err == nil {
					err = a.Push(mem.Copy([]byte(stream[cut:])), test.limit)
				}
				var me *MessageError
				if !errors.As(err, &me) || *me != test.want {
					t.Fatalf("cut at %d: got %v, want %v", cut, err, &test.want)
				}
				checkText(t, err, test.text)
				if again := a.Push(mem.Copy([]byte("more")), test.limit); again != err {
					t.Errorf("later pushes return %v, want %v", again, err)
				}
				checkMessages(t, popAll(&a), []string{first})
				if a.Mid() {
					t.Error("the bad message is half there")
				}
				a.Close()
				if err := a.Push(mem.Copy([]byte("more")), test.limit); err != nil {
					t.Errorf("Push after Close: %v", err)
				}
			}
		})
	}
}

func TestAssemblerLimit(t *testing.T) {
	trackBuffers(t)
	var a Assembler
	defer a.Close()
	if err := a.Push(mem.Copy([]byte(message(false, "12345")+message(false, ""))), 5); err != nil {
		t.Errorf("messages within the limit: %v", err)
	}
	if err := a.Push(mem.Copy([]byte(message(false, ""))), 0); err != nil {
		t.Errorf("an empty message with limit 0: %v", err)
	}
	if err := a.Push(mem.Copy([]byte(message(false, "x"))), 0); err == nil {
		t.Error("limit 0 lets a message of one octet through")
	}
}

func TestAssemblerClose(t *testing.T) {
	trackBuffers(t)
	var a Assembler
	for _, b := range []*mem.Buffer{nil, mem.Copy([]byte(message(false, "abc") + message(true, "d") + "\x00"))} {
		if err := a.Push(b, -1); err != nil {
			t.Error(err)
		}
	}
	a.Close()
	a.Close()
	if err := a.Push(mem.Copy([]byte(message(false, "abc"))), -1); err != nil {
		t.Errorf("Push after Close: %v", err)
	}
	if a.Ready() || a.Mid() {
		t.Error("something is left after Close")
	}
}

// A reader that never quite catches up must not make the queue grow.
func TestAssemblerQueueIsBounded(t *testing.T) {
	trackBuffers(t)
	var a Assembler
	defer a.Close()
	for i := range 1000 {
		if err := a.Push(mem.Copy([]byte(message(false, strings.Repeat("a", joinBelow)))), -1); err != nil {
			t.Fatal(err)
		}
		if i < 3 {
			continue
		}
		m, ok := a.Pop()
		if !ok {
			t.Fatal("no message")
		}
		m.Body.Free()
	}
	if cap(a.runs) > 16 {
		t.Errorf("room for %d buffers, never more than 4 were queued", cap(a.runs))
	}
}

func TestPutPrefix(t *testing.T) {
	tests := []struct {
		compressed bool
		n          int
		want       string
	}{
		{false, 0, "\x00\x00\x00\x00\x00"}, {true, 1, "\x01\x00\x00\x00\x01"}, {false, 0x01020304, "\x00\x01\x02\x03\x04"},
	}
	for _, test := range tests {
		if got := prefixOf(test.compressed, test.n); string(got) != test.want {
			t.Errorf("PutPrefix(%v, %d) puts %x", test.compressed, test.n, got)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a negative length is framed")
		}
	}()
	prefixOf(false, -1)
}

// A payload read to its place is as good as one that is copied there, and what
// has become of the message meanwhile does not matter.
func TestPlace(t *testing.T) {
	trackBuffers(t)
	const size = 100_000
	whole := prefixOf(false, size)
	for i := range size {
		whole = append(whole, byte(i*7))
	}
	push := func(t *testing.T, a *Assembler, n int, want bool) {
		t.Helper()
		got, _ := a.Partial()
		b := a.Place(n)
		if (b != nil) != want {
			t.Fatalf("%d octets behind %d: placed %v, want %v", n, got, b != nil, want)
		}
		if b == nil {
			b = mem.Get(n)
		}
		copy(b.Bytes(), whole[got:got+n])
		if err := a.Push(b, -1); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("a message", func(t *testing.T) {
		var a Assembler
		push(t, &a, 3, false)
		push(t, &a, 10, false)
		push(t, &a, 20_000, false)
		push(t, &a, 50_000, true)
		push(t, &a, size+PrefixLen-70_013, true)
		m, ok := a.Pop()
		if !ok || !bytes.Equal(m.Body.Bytes(), whole[PrefixLen:]) {
			t.Error("the message is not what was sent")
		}
		m.Body.Free()
		a.Close()
	})
	t.Run("more than the message", func(t *testing.T) {
		var a Assembler
		push(t, &a, 20_000, false)
		if b := a.Place(size); b != nil {
			t.Error("a payload with the beginning of the next message has a place in this one")
			b.Free()
		}
		a.Close()
		if a.Place(10) != nil {
			t.Error("there is a place after Close")
		}
	})
	t.Run("closed meanwhile", func(t *testing.T) {
		var a Assembler
		push(t, &a, 20_000, false)
		b := a.Place(1000)
		a.Close()
		clear(b.Bytes())
		if err := a.Push(b, -1); err != nil {
			t.Error(err)
		}
	})
}

// IsMessage is true of one whole message and of nothing else, and TakeMessage makes one of it.
func TestOneMessage(t *testing.T) {
	for _, c := range []struct {
		payload string
		want    bool
	}{
		{"", false},
		{message(false, "")[:4], false},
		{message(false, ""), true},
		{message(true, "abc"), true},
		{message(true, "abc")[:7], false},
		{message(true, "abc") + "d", false},
		{message(false, "") + message(false, ""), false},
		{message(false, "12345678"), true},
		{message(false, "123456789"), false},
		{"\x02" + message(false, "")[1:], false},
	} {
		if got := IsMessage([]byte(c.payload), 8); got != c.want {
			t.Errorf("IsMessage(%q) = %v", c.payload, got)
		}
		if !c.want {
			continue
		}
		m := TakeMessage(mem.Copy([]byte(c.payload)))
		if got := message(m.Compressed, string(m.Body.Bytes())); got != c.payload {
			t.Errorf("TakeMessage(%q) is %q", c.payload, got)
		}
		m.Body.Free()
	}
	if !IsMessage([]byte(message(false, "123456789")), -1) {
		t.Error("no limit is one")
	}
}
