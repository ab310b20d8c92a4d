// Package doccheck has tests of the documents: their links lead somewhere, and what
// they say of options, metrics, log lines, errors and tests is what there is.
package doccheck
