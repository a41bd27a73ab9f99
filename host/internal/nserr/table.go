package nserr

// The codes that weir reports itself. nserror.h has them.
const (
	endOfStreamRepeats         Code = 0x000D2F09
	changeNotice               Code = 0x000D2F0D
	CannotConnect              Code = 0xC00D0006
	networkBusy                Code = 0xC00D000E
	Timeout                    Code = 0xC00D0013
	ConnectionFailure          Code = 0xC00D0029
	insufficientBandwidth      Code = 0xC00D002C
	ServerNotFound             Code = 0xC00D0035
	BadMulticastAddress        Code = 0xC00D0038
	InvalidPort                Code = 0xC00D0043
	maxBitrate                 Code = 0xC00D0047
	MaxClients                 Code = 0xC00D0049
	playerCannotFindFile       Code = 0xC00D1197
	playerServerUnavailable    Code = 0xC00D11B0
	playerNetworkError         Code = 0xC00D11C0
	cannotRemovePublishedPoint Code = 0xC00D1450
	WrongPointType             Code = 0xC00D1452
	InvalidPointName           Code = 0xC00D1455
	PointStarted               Code = 0xC00D1457
	multicastPluginNotEnabled  Code = 0xC00D1458
	PointRemoved               Code = 0xC00D145A
	InvalidPushStart           Code = 0xC00D145B
	PointStopped               Code = 0xC00D145E
	CriticalError              Code = 0xC00D151C
	NoNewConnections           Code = 0xC00D151D
	HeaderMismatch             Code = 0xC00D151F
	duplicatePushPoint         Code = 0xC00D1520
	PluginErrorReported        Code = 0xC00D157D
	SourcePluginNotFound       Code = 0xC00D157E
	PortInUse                  Code = 0xC00D158A
	PortInUseHTTP              Code = 0xC00D158B
	UnknownProtocol            Code = 0xC00D2EE0
	ServerUnavailable          Code = 0xC00D2EE6
	RefusedByServer            Code = 0xC00D2EE7
	IncompatibleServer         Code = 0xC00D2EE8
	multicastDisabled          Code = 0xC00D2EE9
	AllProtocolsDisabled       Code = 0xC00D2EEB
	SessionNotFound            Code = 0xC00D2EF3
	MMSNotSupported            Code = 0xC00D2EFA
	ServerAccessDenied         Code = 0xC00D2EFB
	pushCannotConnect          Code = 0xC00D2F0B
)

// table is sorted by code. What a player shows stands here too, since its user asks the server's operator.
var table = []Entry{
	{endOfStreamRepeats, "NS_S_EOSRECEDING", "Not an error: the stream ended and another one follows in the same session.",
		"Nothing is to be done."},
	{changeNotice, "NS_S_CHANGENOTICE", "Not an error: the stream goes on with another header, which the player must read.",
		"Nothing is to be done; a player that stops here does not know changes of the stream, and connects again."},
	{CannotConnect, "NS_E_CANNOTCONNECT", "No connection to the other server came about.",
		"Check the address, the port, and firewalls on the way; `weir ports` shows what weir may reach."},
	{networkBusy, "NS_E_NETWORK_BUSY", "The network, or the server, carries as much as it can.",
		"Lower the bit rate of the stream, or the number of viewers."},
	{Timeout, "NS_E_TIMEOUT", "The other side did not answer in time.",
		"See whether it runs and is not overloaded, then try again."},
	{ConnectionFailure, "NS_E_CONNECTION_FAILURE", "A connection that had come about was lost.",
		"weir connects again by itself where it pulls; look at the network and at the log of the other side."},
	{insufficientBandwidth, "NS_E_INSUFFICIENT_BANDWIDTH", "The viewer's connection is slower than the stream.",
		"Offer a smaller bit rate; `weir sessions` shows how far a viewer is behind."},
	{ServerNotFound, "NS_E_SERVER_NOT_FOUND", "The name of the server has no address.",
		"Correct the name, or the name service of this computer."},
	{BadMulticastAddress, "NS_E_BAD_MULTICAST_ADDRESS", "The address is no multicast group, or none that can be joined here.",
		"Choose one of 224.0.0.0/4 or ff00::/8 (239.0.0.0/8 for private use), and name the interface."},
	{InvalidPort, "NS_E_INVALID_PORT", "The port is not one that can be used.",
		"Choose one from 1 to 65535."},
	{maxBitrate, "NS_E_MAX_BITRATE", "The server's limit of bits per second is reached.",
		"Wait for viewers to leave, or raise the limit."},
	{MaxClients, "NS_E_MAX_CLIENTS", "The point, or the server, has as many viewers as it may have.",
		"Raise limits.viewers of the point, or wait until somebody leaves; `weir status` shows how many there are."},
	{playerCannotFindFile, "NS_E_WMP_CANNOT_FIND_FILE", "A player found nothing at the address that it was given.",
		"Compare the path with the points in `weir status`, and see that the point is live."},
	{playerServerUnavailable, "NS_E_WMP_SERVER_UNAVAILABLE", "A player was refused, or reached nobody.",
		"See in `weir status` that the listener is open and the plugin runs."},
	{playerNetworkError, "NS_E_WMP_NETWORK_ERROR", "A player's connection failed.",
		"See in `weir status` that the listener is open; then look at firewalls on the way (`weir ports --nft`)."},
	{cannotRemovePublishedPoint, "NS_E_CANNOT_REMOVE_PUBLISHING_POINT", "The point is in use and cannot be removed now.",
		"Stop its source first."},
	{WrongPointType, "NS_E_WRONG_PUBLISHING_POINT_TYPE", "The point is of another kind: its source is set in the configuration, or the other way round.",
		"Push only to points with source: push; give the others a source with a url."},
	{InvalidPointName, "NS_E_INVALID_PUBLISHING_POINT_NAME", "No point can have this name.",
		"Use letters, digits, '.', '-', '_' and '/' between parts; `weir check` names the place."},
	{PointStarted, "NS_E_PUBLISHING_POINT_INVALID_REQUEST_WHILE_STARTED", "What was asked cannot be done while the point runs.",
		"Stop its source first."},
	{multicastPluginNotEnabled, "NS_E_MULTICAST_PLUGIN_NOT_ENABLED", "The point shall be sent by multicast, and no plugin for that runs.",
		"Enable one in the configuration."},
	{PointRemoved, "NS_E_PUBLISHING_POINT_REMOVED", "The point was taken out of the configuration while it was in use.",
		"Put it back and apply, or use another point."},
	{InvalidPushStart, "NS_E_INVALID_PUSH_PUBLISHING_POINT_START_REQUEST", "A point that encoders push to cannot be started by hand.",
		"Start the encoder; the point becomes live with it."},
	{PointStopped, "NS_E_PUBLISHING_POINT_STOPPED", "The point is stopped, or no source feeds it.",
		"Start its encoder."},
	{CriticalError, "NS_E_CRITICAL_ERROR", "Something failed that the plugin or the server cannot go on with.",
		"The log and `weir status` say what; please report it if it was weir."},
	{NoNewConnections, "NS_E_NO_NEW_CONNECTIONS", "The server, or the plugin, ends and takes nobody new; who is connected may finish.",
		"Wait for the server that follows, or enable the plugin again."},
	{HeaderMismatch, "NS_E_HEADER_MISMATCH", "The source came back with a header that does not fit the stream of before.",
		"Viewers connect again by themselves; keep the encoder's settings the same to spare them that."},
	{duplicatePushPoint, "NS_E_PUSH_DUPLICATE_PUBLISHING_POINT_NAME", "There is a point of this name already.",
		"Push to it, or choose another name."},
	{PluginErrorReported, "NS_E_PLUGIN_ERROR_REPORTED", "A plugin reported an error, broke its contract or could not be loaded.",
		"`weir status` and `weir faults` say why; mend the plugin, or its entry in plugins.yaml, then apply, or: weir plugin enable NAME."},
	{SourcePluginNotFound, "NS_E_SOURCE_PLUGIN_NOT_FOUND", "No running plugin can start a source with the scheme of this point's url.",
		"Correct the url, or enable the plugin for it: file: needs file, http: needs pull."},
	{PortInUse, "NS_E_PORT_IN_USE", "Another program, or another listener, has the address and port already.",
		"`weir status` names the program; choose another port or address, or end it, then: weir plugin enable NAME."},
	{PortInUseHTTP, "NS_E_PORT_IN_USE_HTTP", "Another program, often a web server, has the address and port that HTTP streaming was to use.",
		"`weir status` names the program; choose another port or address, let weir steer (steer: auto), or end it, then: weir plugin enable NAME."},
	{UnknownProtocol, "NS_E_UNKNOWN_PROTOCOL", "The URL begins with a protocol that nobody here knows.",
		"Use a scheme that a plugin of `weir status` serves."},
	{ServerUnavailable, "NS_E_SERVER_UNAVAILABLE", "The server is there and cannot serve now: it starts, ends, or its plugin has failed.",
		"See `weir status`; try again when the plugin is running."},
	{RefusedByServer, "NS_E_REFUSED_BY_SERVER", "The other server does not want this connection.",
		"Its log says why; often the point does not exist or the right is missing."},
	{IncompatibleServer, "NS_E_INCOMPATIBLE_SERVER", "The other side does not speak this protocol as it should.",
		"Check that address and port belong to a media server."},
	{multicastDisabled, "NS_E_MULTICAST_DISABLED", "Multicast is switched off.",
		"Take part by unicast, or enable it."},
	{AllProtocolsDisabled, "NS_E_ALL_PROTOCOLS_DISABLED", "No plugin that talks to players or encoders runs on an open listener, so nobody can reach the server.",
		"Enable one: weir plugin enable NAME; `weir status` shows what stands in the way."},
	{SessionNotFound, "NS_E_SESSION_NOT_FOUND", "The session is over, or was never here.",
		"The player has to begin anew."},
	{MMSNotSupported, "NS_E_MMS_NOT_SUPPORTED", "MMS over its own port is not spoken here.",
		"Use http:// or mmsh:// with the port of the listener."},
	{ServerAccessDenied, "NS_E_SERVER_ACCESSDENIED", "The right to this point is missing.",
		"Grant it to the plugin under plugins: NAME: grant:."},
	{pushCannotConnect, "NS_E_PUSH_CANNOTCONNECT", "An encoder that pushes did not reach the server.",
		"Give it the address of an open listener, and a point with source: push."},
}
