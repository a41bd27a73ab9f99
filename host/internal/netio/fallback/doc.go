// Package fallback answers the HTTP requests that no plugin takes.
//
// It owns two kinds of answer: a folder of files, and another web server. In come requests that a
// listener's routes leave over; out go downloads with ranges, or what the other server says. It never
// serves what is not below its folder, never connects to anywhere but its one server, and knows no plugin.
package fallback
