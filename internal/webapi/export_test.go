package webapi

// Operations is the table.
var Operations = operations
