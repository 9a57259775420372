package embedded

// Unreadable is open to the fuzz test.
var Unreadable = unreadable
