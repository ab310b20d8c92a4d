package telemetry

// The steps of a device's login that are counted.
const (
	DeviceAsked     = "asked"     // a device got a code
	DeviceApproved  = "approved"  // a person agreed
	DeviceDenied    = "denied"    // a person said no
	DeviceDelivered = "delivered" // the device got its key
	DeviceRefused   = "refused"   // a bound was reached: of codes pending, or of wrong ones
)

// DeviceLogin counts a step of a device's login.
func (m *Site) DeviceLogin(step string) {
	if m != nil {
		metrics.deviceLogins.WithLabelValues(m.Site, step).Inc()
	}
}
