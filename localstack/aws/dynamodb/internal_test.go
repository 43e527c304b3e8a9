package dynamodb

import (
	"bytes"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// decimals generates numbers of all magnitudes in all spellings.
func decimals() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		digits := rapid.StringMatching(`[0-9]{1,20}(\.[0-9]{0,18})?`).Draw(t, "digits")
		sign := rapid.SampledFrom([]string{"", "-"}).Draw(t, "sign")
		exp := rapid.SampledFrom([]string{"", "e5", "E-7", "e+20", "E-60", "e80"}).Draw(t, "exp")
		return sign + digits + exp
	})
}

func rational(t *rapid.T, s string) *big.Rat {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		t.Fatalf("%q is no number", s)
	}
	return r
}

func TestNumbersKeepTheirValueAndOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, y := decimals().Draw(t, "x"), decimals().Draw(t, "y")
		a, err := normalise(x)
		if err != nil {
			t.Skip(err)
		}
		b, err := normalise(y)
		if err != nil {
			t.Skip(err)
		}
		if rational(t, a).Cmp(rational(t, x)) != 0 {
			t.Fatalf("%s became %s", x, a)
		}
		if again, err := normalise(a); err != nil || again != a {
			t.Fatalf("%s is not canonical: %s, %v", a, again, err)
		}
		want := rational(t, a).Cmp(rational(t, b))
		if got := compareNumbers(a, b); sign(got) != want {
			t.Fatalf("compare %s with %s: %d, want %d", a, b, got, want)
		}
		if got := bytes.Compare(appendNumberKey(nil, a), appendNumberKey(nil, b)); got != want {
			t.Fatalf("keys of %s and %s: %d, want %d", a, b, got, want)
		}
	})
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}

func TestSumsAreExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, errA := normalise(decimals().Draw(t, "a"))
		b, errB := normalise(decimals().Draw(t, "b"))
		if errA != nil || errB != nil {
			t.Skip()
		}
		minus := rapid.Bool().Draw(t, "minus")
		got, err := addNumbers(a, b, minus)
		if err != nil {
			t.Skip(err)
		}
		want := new(big.Rat).Add(rational(t, a), rational(t, b))
		if minus {
			want.Sub(rational(t, a), rational(t, b))
		}
		if rational(t, got).Cmp(want) != 0 {
			t.Fatalf("%s and %s make %s", a, b, got)
		}
	})
}

func TestStringKeysKeepTheirOrderAndAreNoPrefixes(t *testing.T) {
	text := rapid.StringOf(rapid.SampledFrom([]rune{0, 1, 'a', 'b', 0x7f, 'é', '😀'}))
	rapid.Check(t, func(t *rapid.T) {
		a, b := text.Draw(t, "a"), text.Draw(t, "b")
		x, y := appendKeyPart(nil, &value{kind: kindS, s: a}), appendKeyPart(nil, &value{kind: kindS, s: b})
		if got, want := bytes.Compare(x, y), strings.Compare(a, b); got != want {
			t.Fatalf("keys of %q and %q: %d, want %d", a, b, got, want)
		}
		if a != b && (bytes.HasPrefix(x, y) || bytes.HasPrefix(y, x)) {
			t.Fatalf("one of the keys of %q and %q begins with the other", a, b)
		}
	})
}

func TestItemsSurviveTheirJSON(t *testing.T) {
	var gen func(depth int) *rapid.Generator[value]
	gen = func(depth int) *rapid.Generator[value] {
		return rapid.Custom(func(t *rapid.T) value {
			kinds := []kind{kindS, kindN, kindB, kindBool, kindNull}
			if depth > 0 {
				kinds = append(kinds, kindM, kindL)
			}
			v := value{kind: rapid.SampledFrom(kinds).Draw(t, "kind")}
			switch v.kind {
			case kindS:
				v.s = rapid.String().Draw(t, "s")
			case kindB:
				v.s = string(rapid.SliceOf(rapid.Byte()).Draw(t, "b"))
			case kindN:
				v.s = rapid.SampledFrom([]string{"0", "1", "-1.5", "100"}).Draw(t, "n")
			case kindBool:
				v.truth = rapid.Bool().Draw(t, "truth")
			case kindL:
				v.list = rapid.SliceOfN(gen(depth-1), 0, 4).Draw(t, "list")
			case kindM:
				for _, e := range rapid.SliceOfN(gen(depth-1), 0, 4).Draw(t, "map") {
					v.m.set(rapid.String().Draw(t, "name"), e)
				}
			}
			return v
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		it := item{}
		for _, v := range rapid.SliceOfN(gen(3), 0, 6).Draw(t, "values") {
			it.set(rapid.String().Draw(t, "name"), v)
		}
		encoded := appendItem(nil, it)
		for _, trusted := range []bool{true, false} {
			d := decoder{s: string(encoded), trusted: trusted}
			back, err := d.item()
			if err != nil {
				t.Fatal(err)
			}
			if !equal(&value{kind: kindM, m: it}, &value{kind: kindM, m: back}) {
				t.Fatalf("%s became %s", encoded, appendItem(nil, back))
			}
		}
	})
}

func TestReservedWordsAreAllThere(t *testing.T) {
	if len(reservedWords) != 573 {
		t.Errorf("%d words; AWS lists 573", len(reservedWords))
	}
	if !slices.IsSorted(reservedWords) {
		t.Error("not sorted: the search would miss some")
	}
	for _, w := range reservedWords {
		if !isReserved(w) || !isReserved(strings.ToLower(w)) {
			t.Errorf("%s is not found", w)
		}
	}
	for _, w := range []string{"pk", "sk", "gsi1pk", "attempt", "zzz", "a"} {
		if isReserved(w) {
			t.Errorf("%s is found", w)
		}
	}
}

// everything is a set of placeholders that knows every name and value that the
// fuzz seeds use.
func everything() *placeholders {
	p := &placeholders{
		names:  []nameSub{{"#a", "a"}, {"#b", "name"}, {"#m", "m"}},
		values: item{{":a", value{kind: kindN, s: "1"}}, {":l", value{kind: kindL}}, {":s", value{kind: kindS, s: "x"}}, {":ss", value{kind: kindSS, list: []value{{kind: kindS, s: "a"}}}}},
	}
	p.usedNames = make([]bool, len(p.names))
	p.usedValues = make([]bool, len(p.values))
	return p
}

func fuzzItem() item {
	return item{
		{"a", value{kind: kindN, s: "5"}},
		{"l", value{kind: kindL, list: []value{{kind: kindN, s: "1"}, {kind: kindM, m: item{{"x", value{kind: kindS, s: "y"}}}}}}},
		{"m", value{kind: kindM, m: item{{"k", value{kind: kindN, s: "2"}}}}},
		{"ss", value{kind: kindSS, list: []value{{kind: kindS, s: "a"}, {kind: kindS, s: "b"}}}},
	}
}

func FuzzCondition(f *testing.F) {
	for _, s := range []string{
		"a = :a", "attribute_exists(a) AND NOT (m.k < :a OR l[1].x = :s)", "a BETWEEN :a AND :a", "a IN (:a, :s)", "size(ss) >= :a",
		"contains(ss, :s)", "begins_with(#b, :s)", "attribute_type(a, :s)", "((a = :a))", "(a) = (:a)", "a <> b.c[0]", "not not a = :a", "(((((a",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		c, err := parseCondition("ConditionExpression", src, everything())
		if err == nil {
			if c.holds(fuzzItem()) == (&condition{op: "NOT", left: c}).holds(fuzzItem()) {
				t.Fatalf("%q and its negation agree", src)
			}
			c.holds(nil)
		}
	})
}

func FuzzUpdate(f *testing.F) {
	for _, s := range []string{
		"SET a = :a", "SET a = a + :a, m.k = if_not_exists(m.z, :a) REMOVE l[0], l[1] ADD b :a DELETE ss :ss", "SET l = list_append(l, :l)",
		"SET b = (a) + (:a)", "SET l[9] = :a, l[7] = :s", "remove m.k add #b :ss", "SET a = :a SET b = :a", "SET ((((",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		u, err := parseUpdate(src, everything())
		if err != nil {
			return
		}
		before := fuzzItem()
		after, err := u.apply(before)
		if !equal(&value{kind: kindM, m: before}, &value{kind: kindM, m: fuzzItem()}) {
			t.Fatalf("%q changed the item it was applied to", src)
		}
		if err != nil {
			return
		}
		for i := 1; i < len(after); i++ {
			if after[i-1].name >= after[i].name {
				t.Fatalf("%q left attributes out of order", src)
			}
		}
		u.touched.pick(after)
		u.touched.pick(before)
	})
}

func FuzzProjection(f *testing.F) {
	for _, s := range []string{"a", "a, m.k, l[1].x, l[0]", "#a.#b", "m, m.k", "l[0], l[0]", "a,", "l[99999999999]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		tree, err := parseProjection(src, everything())
		if err == nil && tree.pick(fuzzItem()).size() > fuzzItem().size() {
			t.Fatalf("%q picked more than there is", src)
		}
	})
}

func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		`{"TableName":"t","Key":{"a":{"S":"x"}}}`, `{"TableName":"t","Item":{"a":{"N":"1e5"},"b":{"L":[{"NULL":true},{"BS":["YQ=="]}]}}}`,
		`{"Key":{"a":{"S":"\ud83d\ude00\n"}}}`, `{"Key":{"a":{"M":{"b":{"BOOL":false}}}}}`, `{"Key":null}`, `{"ExpressionAttributeNames":{"#a":"b"}}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var r request
		if err := r.decode(body, membersPut|membersQuery|membersScan|membersUpdate); err != nil {
			return
		}
		encoded := appendItem(nil, r.item)
		back, err := decodeItem(string(encoded))
		if err != nil || !equal(&value{kind: kindM, m: r.item}, &value{kind: kindM, m: back}) {
			t.Fatalf("%s does not survive its own encoding: %v", encoded, err)
		}
	})
}
