// Package host is the program weir: it reads plugins.yaml, builds the rooms below from the lowest to the highest, joins them, and takes them apart again in
// the opposite order. A configuration and connections come in; listening addresses, viewers' bytes and a status come out. It never parses a protocol or a
// format (that is the plugins' work) and never touches a packet on its way (that is the rooms').
//
// # Rooms
//
// A room is one package of host/internal that owns one thing. It imports rooms of lower layers only; layers_test.go holds the table and checks it.
//
//	7  cmd  e2e  bench              the commands of bin/weir; proofs with real encoders and players; weir beside other servers
//	6  hosttest                     a host for the tests of plugins' authors
//	5  host                         this package: wiring, commands at run time, changes of the configuration
//	4  session  announce  admin     events and verdicts of one peer; where points are found, SAP; health, metrics, status
//	   multicast  archive           points to groups and receivers that the configuration names; points kept in files
//	3  point                        a named place: its source, its renditions, its viewers, its states
//	2  plugin  deliver              a plugin's code in a sandbox; packets to sockets
//	1  stream  netio  manifest  config   the log of packets; listeners, connections and datagrams; plugin.yaml; plugins.yaml
//	   steer  handover  access           addresses that another server holds; the line between two servers of a take-over; who may play and who may feed
//	   sessionlog  webhook               a line for each session that has ended; events, posted
//	0  media  telemetry  sample  nserr   values; counters and log lines; the film of the demo point; error numbers and what to do
//	   journal                           what happens, told to whoever reads
//	   dgram  thread  sins  spelling     calls for datagrams; a thread's clock and turns; what the testplugins do; words that are nearly right
//	   datename                          names of files that hold the time
//
// Beside the host stand abi, the contract in records, and sdk, what a plugin is written with. Both build without the host, and so does every plugin.
// Where a room needs one above or beside it, it declares the few methods that it needs, and this package hands in what has them. Config has one reader,
// this package, which translates it into each room's own Options.
//
// # Life of a packet
//
// From left to right, with no way back:
//
//	encoder ─ netio.Conn ─ session of the source ─▶ plugin: which spans of these bytes are packets?
//	        ─ point: may this session write? ─ stream.Log.Append            one atomic publish
//	        ─ packager session ─▶ plugin: what stands around each packet?   once per rendition
//	        ─ the rendition's stream.Log ─ deliver: one send per viewer and batch
//	        ─ viewer
//
// A plugin sees a packet once per rendition, never once per viewer. After Append no lock is taken and nothing is allocated for a viewer and packet. A viewer
// that falls behind its limit jumps to the newest key packet, and what it missed is counted with the reason.
//
// # Life of a request
//
//	steer, or a plain bind ─ netio.Listener ─ first bytes, then the route table of the manifests ─ session
//	        ─ access: may this peer? If not, it is answered here
//	        ─ worker of the plugin: event ◀▶ verdicts
//	        ─ session: reserve all that the verdicts need, then apply all, or refuse all
//	        ─ ATTACH: point.Join, and the socket passes from netio to deliver
//
// From then on the viewer needs neither the plugin nor a goroutine. The plugin may crash or be reloaded: its viewers play on, and only new requests wait
// for the next instance. Disabling it ends its sessions, viewers included, with the end that their protocol has. What a session must remember is an opaque blob that the session room holds, so the next instance, or the next
// version, goes on where the last one stopped.
//
// # Life of a build
//
//	read, judged, compiled, started aside ─ it answers what the one in force has answered (canary)
//	        ─ the workers stop between two events, and go on with it: sessions whose state it reads at once, packagers at the next key packet
//	        ─ sessions whose state it does not read drain: they stay with the old build until they end, or the plugin's drain time is over
//	        ─ one minute on trial: if it faults more than the one before, that comes back
//	        ─ the one before is closed
//
// What fails before the switch leaves everything as it was.
//
// # Life of a change
//
//	plugins.yaml or a plugin's file: apply, SIGHUP, or the watcher once it is quiet
//	        ─ config ─ proposal: what differs, and which sessions that touches
//	        ─ aside: addresses bound, generations judged, compiled, started and tried
//	        ─ one switch, or all is as it was
//	        ─ old generations go when their last session does
//
// What a plugin may take and hold is one plugin.Limits: of the configuration, else of the manifest if that asks for less, else the defaults. A generation
// carries it, so that a session always has the limits of the code that answers for it.
//
// RATIONALE.md says why it is built so.
package host
