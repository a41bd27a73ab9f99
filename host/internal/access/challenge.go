package access

// challenges are the values of WWW-Authenticate by which a peer is asked. SHA-256 stands before MD5, and both before Basic: the order of preference
// (RFC 7616 3.7). Players that know one algorithm of Digest take what comes last, or the first that they know. Realm and nonce come first: live555 looks for them there.
func (g *Guard) challenges(p *Policy, rule *Rule, stale bool) (all []string) {
	for _, d := range []struct {
		method    Methods
		algorithm string
	}{{DigestSHA256, algorithmSHA256}, {Digest, algorithmMD5}} {
		if rule.Methods&d.method == 0 {
			continue
		}
		text := `Digest realm="` + p.Realm + `", nonce="` + g.nonces.issue(g.now()) + `", qop="auth", algorithm=` + d.algorithm
		if stale {
			text += ", stale=true"
		}
		all = append(all, text)
	}
	if rule.Methods&Basic != 0 {
		all = append(all, `Basic realm="`+p.Realm+`"`)
	}
	return all
}
