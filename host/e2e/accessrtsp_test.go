package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/access"
)

const accessRTSP = `
access: {users_file: users.txt, rules: [{points: [live], users: [camera1], methods: [digest]}, {users: [camera1], methods: [basic]}]}
listeners: {rtsp: {address: "127.0.0.1:0"}}
plugins:
  rtsp: {module: "builtin:rtsp", listeners: [rtsp], grant: {publish: ["*"], attach: ["*"]}}
  mpegts: {module: "builtin:mpegts"}
points:
  live: {source: push}
  plain: {source: push}
  spare: {source: push}
`

// TestAccessRTSP: RTSP's encoders and players log in by Digest and Basic, whose words the plugin only hands over; who cannot is told 401, and gets nothing.
func TestAccessRTSP(t *testing.T) {
	t.Parallel()
	line, err := access.NewLine(loginName, loginSecret, access.DefaultRealm)
	if err != nil {
		t.Fatal(err)
	}
	s := server{hosttest.Start(t, accessRTSP, hosttest.WithFile("users.txt", []byte(line)), hosttest.WithDebugLog())}
	for _, point := range []string{"live", "plain"} {
		c := ffmpeg.start(t, picture, h264, byTCP, withLogin(s.rtsp("/"+point), credentials))
		s.Wait("point "+point+" is live", func() bool {
			if c.ended() {
				t.Fatalf("%s: ended with %v\n%s", c.cmd, c.err, c.log.String())
			}
			return s.Point(point).State == "live"
		})
	}
	t.Run("clients", func(t *testing.T) {
		for _, login := range []string{"", loginName + ":x@"} {
			t.Run("ffmpeg with login "+login, func(t *testing.T) {
				t.Parallel()
				ffmpeg.run(t, picture, h264, byTCP, withLogin(s.rtsp("/spare"), login)).failed().says("401")
				ffmpeg.run(t, "-nostdin -rtsp_transport tcp -i", withLogin(s.rtsp("/live"), login), "-t 1 -f null -").failed().says("401")
			})
		}
		for _, point := range []string{"live", "plain"} {
			s.WaitMedia(point, time.Second)
			t.Run("ffmpeg plays "+point, func(t *testing.T) {
				t.Parallel()
				ffmpeg.run(t, progress, "-rtsp_transport tcp -i", withLogin(s.rtsp("/"+point), credentials), "-t 1 -f null -").succeeded()
			})
			t.Run("gstreamer plays "+point, func(t *testing.T) {
				t.Parallel()
				gstRTSP(t, "tcp", withLogin(s.rtsp("/"+point), credentials))
			})
		}
	})
	if p := s.Point("spare"); p.Sources != 0 {
		t.Errorf("who could not log in has published: %+v", p)
	}
	log := s.Log()
	if !strings.Contains(log, "by=digest") || !strings.Contains(log, "by=basic") || strings.Contains(log, loginSecret) || digestResponse.MatchString(log) {
		t.Error("the log does not tell who logged in, or tells how")
	}
}
