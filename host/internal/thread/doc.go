// Package thread tells how long the calling thread has run.
package thread
