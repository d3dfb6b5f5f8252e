// Package orderpb holds the messages of the tests.
package orderpb
