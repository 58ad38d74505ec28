package main

import (
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// doc is what a doc comment goes on with after a first sentence of ours: the
// comment of the .proto file, and the mark by which tools know what is
// deprecated, each a paragraph of its own. It begins with a line break.
func doc(leading protogen.Comments, deprecated bool) string {
	var b strings.Builder
	if leading != "" {
		b.WriteString("\n//\n" + comment(leading))
	}
	if deprecated {
		b.WriteString("\n//\n// Deprecated: Do not use.")
	}
	return b.String()
}

// comment makes lines of text, which have no marks any more, a Go comment. One
// that does not begin with a blank gets one: the author of a .proto file must
// not be able to write //go:build or //line.
func comment(text protogen.Comments) string {
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i, line := range lines {
		line = strings.TrimRight(line, " \t\r")
		if line != "" && line[0] != ' ' && line[0] != '\t' {
			line = " " + line
		}
		lines[i] = "//" + line
	}
	return strings.Join(lines, "\n")
}

// Fields of FileDescriptorProto, as they stand in source locations.
const (
	packageField = 2
	syntaxField  = 12
	editionField = 14
)

// licence returns what stands above a statement of the .proto file, detached
// comments and all, as comments that are detached from what follows.
func licence(p *protogen.File, field int32) string {
	loc := p.Desc.SourceLocations().ByPath(protoreflect.SourcePath{field})
	var b strings.Builder
	for _, text := range append(loc.LeadingDetachedComments, loc.LeadingComments) {
		if text != "" {
			b.WriteString(comment(protogen.Comments(text)) + "\n\n")
		}
	}
	return b.String()
}
