// Package registrytest is a schema registry in memory, for tests: the part of Confluent's REST API
// that readers and writers of records use, its errors, and faults on demand.
//
//	reg := registrytest.Start(t)
//	id := reg.Register("orders-value", "AVRO", `{"type":"record", ...}`)
//	client, err := registry.New(map[string]string{"schema.registry.url": reg.URL})
//
// Start listens on the loopback interface. In a testing/synctest bubble use StartInMemory and hand
// its Dial to registry.Dial: no socket is opened, and its time is the bubble's.
package registrytest
