package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// restless returns the files of the standard library in src that are different, by their names there.
func restless(src string) (map[string]string, error) {
	files := map[string]string{
		"runtime/restless.go":       runtimeYield,
		"internal/sync/restless.go": yieldFile("sync", 4),
		"sync/atomic/restless.go":   yieldFile("atomic", 8),
	}
	for name, change := range map[string]func(name, text string) (string, error){
		"runtime/proc.go":        preemptSoon,
		"internal/sync/mutex.go": yieldIn("Lock", "Unlock"),
		"sync/atomic/type.go":    yieldIn("Load", "Store", "Swap", "CompareAndSwap", "Add", "And", "Or"),
	} {
		text, err := os.ReadFile(filepath.Join(src, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		if files[name], err = change(name, string(text)); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// runtimeYield is Gosched where that is allowed: not on a system stack, nor where the caller is bound
// to its thread.
const runtimeYield = `package runtime

import _ "unsafe"

//go:linkname restlessYield
func restlessYield(oneIn uint32) {
	gp := getg()
	if cheaprand()%oneIn != 0 || gp == gp.m.g0 || gp == gp.m.gsignal ||
		gp.m.locks != 0 || gp.m.mallocing != 0 || gp.m.preemptoff != "" {
		return
	}
	Gosched()
}
`

// yieldFile is what a package needs to yield, once in oneIn calls.
func yieldFile(pkg string, oneIn int) string {
	return fmt.Sprintf(`package %s

import _ "unsafe"

//go:linkname restlessYield runtime.restlessYield
func restlessYield(oneIn uint32)

func yield() { restlessYield(%d) }
`, pkg, oneIn)
}

// preemptSoon shortens the time that a goroutine has.
func preemptSoon(name, text string) (string, error) {
	const before, after = "const forcePreemptNS = 10 * 1000 * 1000", "const forcePreemptNS = 30 * 1000"
	if strings.Count(text, before) != 1 {
		return "", fmt.Errorf("%s has no %q: this Go is not known to restless", name, before)
	}
	return strings.Replace(text, before, after, 1), nil
}

// yieldIn has exported methods of these names yield when they begin, and when they end.
func yieldIn(methods ...string) func(name, text string) (string, error) {
	return func(name, text string) (string, error) {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution)
		if err != nil {
			return "", err
		}
		var places []int
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if ok && f.Recv != nil && f.Body != nil && slices.Contains(methods, f.Name.Name) {
				places = append(places, set.Position(f.Body.Lbrace).Offset+1)
			}
		}
		if len(places) == 0 {
			return "", fmt.Errorf("%s has no method %s: this Go is not known to restless", name, methods[0])
		}
		var b strings.Builder
		last := 0
		for _, p := range places {
			b.WriteString(text[last:p])
			b.WriteString(" yield(); defer yield(); ")
			last = p
		}
		b.WriteString(text[last:])
		return b.String(), nil
	}
}
