package abi

import (
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func specText(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("spec.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// section is the text under a heading, up to the next one.
func section(text, heading string) (string, bool) {
	_, rest, ok := strings.Cut(text, "\n"+heading+"\n")
	if !ok {
		return "", false
	}
	if end := regexp.MustCompile(`(?m)^#`).FindStringIndex(rest); end != nil {
		rest = rest[:end[0]]
	}
	return rest, true
}

// fieldTable gives the rows of a section's table "| field | type | meaning |".
func fieldTable(section string) (rows []string) {
	_, table, _ := strings.Cut(section, "| field | type | meaning |\n| --- | --- | --- |\n")
	for line := range strings.SplitSeq(table, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 5 {
			break
		}
		rows = append(rows, strings.TrimSpace(cells[1])+" "+strings.TrimSpace(cells[2]))
	}
	return rows
}

func wantTable(v reflect.Value) (rows []string) {
	for _, f := range leaves(v) {
		rows = append(rows, f.name+" "+f.kind)
	}
	return rows
}

func TestSpecNamesEveryRecord(t *testing.T) {
	text := specText(t)
	events, verdicts := 0, 0
	for _, op := range Ops() {
		part, n := 6, &verdicts
		if op.IsEvent() {
			part, n = 5, &events
		}
		*n++
		heading := fmt.Sprintf("### %d.%d %s (%d)", part, *n, op, uint16(op))
		body, ok := section(text, heading)
		if !ok {
			t.Errorf("spec.md lacks %q", heading)
			continue
		}
		got, want := fieldTable(body), wantTable(reflect.ValueOf(New(op)).Elem())
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: spec.md has fields %q, the codec %q", heading, got, want)
		}
	}
	records := regexp.MustCompile(`(?m)^### [56]\.\d+ `).FindAllString(text, -1)
	if len(records) != len(Ops()) {
		t.Errorf("spec.md has %d records, the codec %d", len(records), len(Ops()))
	}
}

func TestSpecOfSharedParts(t *testing.T) {
	text := specText(t)
	for heading, v := range map[string]any{"### 4.4 Groups": new(PointSummary), "### 4.5 Head": new(Head)} {
		body, _ := section(text, heading)
		if got, want := fieldTable(body), wantTable(reflect.ValueOf(v).Elem()); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: spec.md has fields %q, the codec %q", heading, got, want)
		}
	}
	lists, _ := section(text, "### 4.3 Lists")
	remark := regexp.MustCompile(` \([^)]*\)`)
	for name, v := range map[string]any{"field": new(Field), "packet": new(PacketNote), "rendition": new(Rendition),
		"endpoint": new(Endpoint), "datagram": new(DatagramNote)} {
		want := strings.Join(wantTable(reflect.ValueOf(v).Elem()), ", ")
		if row := fmt.Sprintf("| %s | %s |", name, want); !strings.Contains(remark.ReplaceAllString(lists, ""), row) {
			t.Errorf("item %s: spec.md lacks %q", name, row)
		}
	}
	pieces, _ := section(text, "### 4.6 Pieces: mark, don't move")
	for kind, name := range []string{"literal", "input", "header", "packet"} {
		p := Piece{Kind: PieceKind(kind)}
		want := strings.Join(wantTable(reflect.ValueOf(&p).Elem())[1:], ", ")
		if row := fmt.Sprintf("| %d %s | %s |", kind, name, want); !strings.Contains(pieces, row) {
			t.Errorf("spec.md lacks %q", row)
		}
	}
}

func TestSpecOfCodesAndLimits(t *testing.T) {
	text := specText(t)
	for c := OK; c.String() != "E?"; c-- {
		if row := fmt.Sprintf("| %d | %s |", int32(c), c); !strings.Contains(text, row) {
			t.Errorf("spec.md lacks %q", row)
		}
	}
	for name, n := range map[string]int{"MinInbox": MinInbox, "UsualBox": UsualBox, "MaxFrameEvents": MaxFrameEvents,
		"MaxState": MaxState, "MaxRetain": MaxRetain, "MaxPendingWrite": MaxPendingWrite, "MaxPointHeader": MaxPointHeader,
		"MaxTimers": MaxTimers, "MaxDatagram": MaxDatagram, "MaxKey": MaxKey, "MaxKeys": MaxKeys} {
		if row := fmt.Sprintf("| %s | %d |", name, n); !strings.Contains(text, row) {
			t.Errorf("spec.md lacks %q", row)
		}
	}
	for _, export := range []string{MarkerExport, BufferExport, CallExport, InitializeExport, ManifestSection, HostModule} {
		if !strings.Contains(text, "`"+export+"`") {
			t.Errorf("spec.md lacks %q", export)
		}
	}
	if !strings.Contains(text, fmt.Sprintf("version %d.%d", Major, Minor)) {
		t.Errorf("spec.md is not of version %d.%d", Major, Minor)
	}
	for _, op := range []Op{120, 127, 248, 255} {
		if lookup(op) != nil {
			t.Errorf("op %d is for grease", op)
		}
	}
}

// The sections that comments of the code name must be there.
func TestSpecSections(t *testing.T) {
	text := specText(t)
	for n, title := range []string{"Shape", "Carriers", "Frames", "Field grammar", "Events", "Verdicts", "Errors", "Rules", "Limits", "Versions"} {
		if heading := fmt.Sprintf("\n## %d %s\n", n+1, title); !strings.Contains(text, heading) {
			t.Errorf("spec.md lacks %q", heading)
		}
	}
}
