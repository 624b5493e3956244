# The contract suite, as a whole, against the real API server and real Flink: where it fails, the simulator is wrong about one of them.
# set: full
# limit: 1200
. "$(dirname "$0")/../lib.sh"
suite=${CONTRACT_SUITE:-$(dirname "$WEIR")/tests/contract/contract_suite}
[ -x "$suite" ] || fail "there is no $suite: build it (target contract_suite), or set CONTRACT_SUITE"
mkdir -p "$E2E/contract"
jar=${WEIR_CACHE:-$HOME/.cache/weir}/images/flink_1.20.3/root/opt/flink/usrlib/count.jar
"$suite" --kubeconfig "$KUBECONFIG" --state-dir "$E2E/contract" --jar "$jar" >"$E2E/logs/$SCENARIO.suite" 2>&1 || {
	cat "$E2E/logs/$SCENARIO.suite"
	fail 'the contract suite'
}
ran=$(grep -c '\[       OK \]' "$E2E/logs/$SCENARIO.suite")
[ "$(grep -c '\[  PASSED  \]' "$E2E/logs/$SCENARIO.suite")" -ge 7 ] || fail "not every group ran: $(cat "$E2E/logs/$SCENARIO.suite")"
say "$ran cases of 7 groups hold on the real API server and real Flink"
