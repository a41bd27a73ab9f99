package deliver

// Add adds what another log's delivery was to t.
func (t *LogTotals) Add(o *LogTotals) {
	t.Viewers += o.Viewers
	t.Waiting += o.Waiting
	t.Attached += o.Attached
	t.Bytes += o.Bytes
	t.Packets += o.Packets
	t.Sends += o.Sends
	t.DroppedPackets += o.DroppedPackets
	t.Busy += o.Busy
	for i := range t.Missed {
		t.Missed[i].Packets += o.Missed[i].Packets
		t.Missed[i].Bytes += o.Missed[i].Bytes
	}
	t.LagSum += o.LagSum
	for i := range t.Lag {
		t.Lag[i] += o.Lag[i]
	}
	for i := range t.Left {
		t.Left[i] += o.Left[i]
		t.Unsent[i] += o.Unsent[i]
	}
}
